/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 32, END = 0 /* the ticket of the end */ };

struct watch {
    pthread_mutex_t mutex; /* of all but the constant ones; held while `gone' runs */
    struct watched *list;
    uint64_t tickets;
    void (*gone)(struct watched *w);
    int epoll, end;
    pthread_t thread;
};

static void unlink_it(struct watch *s, struct watched *w) {
    epoll_ctl(s->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    *w->before = w->next;
    if (w->next != NULL)
        w->next->before = w->before;
    w->before = NULL;
}

/* An event may be about one that was removed meanwhile, even about another on the same descriptor: hence
 * tickets. */
static void tell(struct watch *s, uint64_t ticket) {
    struct watched *w;

    pthread_mutex_lock(&s->mutex);
    for (w = s->list; w != NULL && w->ticket != ticket; w = w->next)
        ;
    if (w != NULL) {
        unlink_it(s, w);
        s->gone(w);
    }
    pthread_mutex_unlock(&s->mutex);
}

static void *run(void *arg) {
    struct watch *s = arg;
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == END)
                return NULL;
            tell(s, events[i].data.u64);
        }
    }
}

struct watch *watch_new(void (*gone)(struct watched *w)) {
    struct watch *s = calloc(1, sizeof *s);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = END};

    if (s == NULL)
        return NULL;
    pthread_mutex_init(&s->mutex, NULL);
    s->gone = gone;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->end = eventfd(0, EFD_CLOEXEC);
    if (s->epoll >= 0 && s->end >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->end, &event) == 0 &&
        pthread_create(&s->thread, NULL, run, s) == 0)
        return s;
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->end >= 0)
        close(s->end);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}

void watch_add(struct watch *s, struct watched *w, int fd) {
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT};

    pthread_mutex_lock(&s->mutex);
    event.data.u64 = w->ticket = ++s->tickets;
    w->fd = fd;
    w->next = s->list;
    w->before = &s->list;
    if (w->next != NULL)
        w->next->before = &w->next;
    s->list = w;
    /* Refused, it is not watched: it is only drawn in vain if nobody wants it any more. */
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event);
    pthread_mutex_unlock(&s->mutex);
}

void watch_remove(struct watch *s, struct watched *w) {
    pthread_mutex_lock(&s->mutex);
    if (w->before != NULL)
        unlink_it(s, w);
    pthread_mutex_unlock(&s->mutex);
}

void watch_free(struct watch *s) {
    uint64_t one = 1;

    while (write(s->end, &one, sizeof one) < 0)
        ;
    pthread_join(s->thread, NULL);
    close(s->epoll);
    close(s->end);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
