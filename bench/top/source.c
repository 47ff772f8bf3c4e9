/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16 << 20, PATIENCE_MS = 2000 };
static const char http[] = "http://";

bool source_is_http(const char *place)
{
    return strncmp(place, http, sizeof http - 1) == 0;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether ${fd} is ready before ${deadline}; a file always is. */
static bool wait_for(int fd, short events, long long deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    const long long left = deadline - now_ms();
    if (poll(&p, 1, left > 0 ? (int)left : 0) > 0)
        return true;
    errno = ETIMEDOUT;
    return false;
}

/* To its end; closes ${fd}. */
static char *read_all(int fd, size_t *len, long long deadline)
{
    size_t room = 65536, n = 0;
    char *text = malloc(room);
    while (text != NULL) {
        const ssize_t got = wait_for(fd, POLLIN, deadline) ? read(fd, text + n, room - n - 1) : -1;
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got == 0) {
            text[n] = '\0';
            *len = n;
            break;
        }
        if (got > 0)
            n += (size_t)got;
        char *more = NULL;
        if (got > 0 && n > MOST)
            errno = EFBIG;
        else if (got > 0)
            more = room - n > 1 ? text : realloc(text, room *= 2);
        if (more == NULL) {
            const int reason = errno;
            free(text);
            errno = reason;
        }
        text = more;
    }
    const int reason = errno;
    close(fd);
    errno = reason;
    return text;
}

static int connect_to(int family, const struct sockaddr *address, socklen_t size, long long deadline)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, address, size) == 0)
        return fd;
    int error = errno;
    socklen_t n = sizeof error;
    if (error == EINPROGRESS && wait_for(fd, POLLOUT, deadline))
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    else if (error == EINPROGRESS)
        error = ETIMEDOUT;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static char *read_socket(const char *path, size_t *len)
{
    const long long deadline = now_ms() + PATIENCE_MS;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    const int fd = connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof address, deadline);
    return fd >= 0 ? read_all(fd, len, deadline) : NULL;
}

static char *read_path(const char *path, size_t *len, char *error)
{
    struct stat st;
    char *text = NULL;
    if (stat(path, &st) == 0) {
        if (S_ISSOCK(st.st_mode)) {
            text = read_socket(path, len);
        } else if (S_ISREG(st.st_mode)) {
            const int fd = open(path, O_RDONLY | O_CLOEXEC);
            text = fd >= 0 ? read_all(fd, len, now_ms() + PATIENCE_MS) : NULL;
        } else {
            snprintf(error, SOURCE_ERROR, "%.150s: neither a file nor a socket", path);
            return NULL;
        }
    }
    if (text == NULL)
        snprintf(error, SOURCE_ERROR, "%.150s: %s", path, strerror(errno));
    return text;
}

/* ---- HTTP: one GET, 1.0, so that the answer ends where the connection does */

struct url {
    char host[128], port[8];
    const char *path;
};

static bool url_parse(const char *place, struct url *u)
{
    const char *host = place + sizeof http - 1;
    const char *end = host + strcspn(host, "/");
    const char *colon = memchr(host, ':', (size_t)(end - host));
    if (*host == '[') {                 /* an address of IPv6 */
        const char *closing = memchr(host, ']', (size_t)(end - host));
        if (closing == NULL)
            return false;
        colon = closing[1] == ':' ? closing + 1 : NULL;
        if (colon == NULL && closing + 1 != end)
            return false;
    }
    const char *host_end = colon != NULL ? colon : end;
    const size_t brackets = *host == '[' ? 1 : 0;
    const int host_len = (int)(host_end - host - 2 * (ptrdiff_t)brackets);
    if (host_len <= 0 || host_len >= (int)sizeof u->host)
        return false;
    snprintf(u->host, sizeof u->host, "%.*s", host_len, host + brackets);
    snprintf(u->port, sizeof u->port, "80");
    if (colon != NULL) {
        if (end - colon - 1 < 1 || end - colon - 1 > 5 ||
            strspn(colon + 1, "0123456789") != (size_t)(end - colon - 1))
            return false;
        snprintf(u->port, sizeof u->port, "%.*s", (int)(end - colon - 1), colon + 1);
    }
    u->path = *end != '\0' ? end : "/";
    return strpbrk(u->path, " \r\n") == NULL;
}

static int http_connect(const struct url *u, long long deadline, char *error, const char *place)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int status = getaddrinfo(u->host, u->port, &hints, &list);
    int fd = -1;
    if (status != 0) {
        snprintf(error, SOURCE_ERROR, "%.150s: %s", place, gai_strerror(status));
        return -1;
    }
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_to(a->ai_family, a->ai_addr, a->ai_addrlen, deadline);
    if (fd < 0)
        snprintf(error, SOURCE_ERROR, "%.150s: %s", place, strerror(errno));
    freeaddrinfo(list);
    return fd;
}

/* The body stays, if the head says that all is well. */
static bool http_body(char *text, size_t *len)
{
    char *body = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.", 7) != 0 || strncmp(text + strcspn(text, " \r"), " 200", 4) != 0 || body == NULL)
        return false;
    body += 4;
    *len -= (size_t)(body - text);
    memmove(text, body, *len + 1);
    return true;
}

static char *read_http(const char *place, size_t *len, char *error)
{
    const long long deadline = now_ms() + PATIENCE_MS;
    struct url u;
    char request[1024];
    if (!url_parse(place, &u)) {
        snprintf(error, SOURCE_ERROR, "%.150s: not an address as http://host:port/stats.json", place);
        return NULL;
    }
    const int n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n\r\n",
                           u.path, u.host);
    const int fd = n > 0 && (size_t)n < sizeof request ? http_connect(&u, deadline, error, place) : -1;
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
        text = read_all(fd, len, deadline);
    else
        close(fd);
    if (text == NULL) {
        snprintf(error, SOURCE_ERROR, "%.150s: %s", place, strerror(errno));
    } else if (!http_body(text, len)) {
        snprintf(error, SOURCE_ERROR, "%.150s: the server says '%.*s'", place,
                 (int)strcspn(text, "\r\n") < 60 ? (int)strcspn(text, "\r\n") : 60, text);
        free(text);
        text = NULL;
    }
    return text;
}

char *source_read(const char *place, size_t *len, char *error)
{
    errno = 0;
    return source_is_http(place) ? read_http(place, len, error) : read_path(place, len, error);
}
