/* SPDX-License-Identifier: MIT
 *
 * What threads did to one key, and when: the words that the recorder, the model and the checker share.
 */
#ifndef LINEAR_HISTORY_H
#define LINEAR_HISTORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * WHAT(id, name, changes): ${a}, ${b} and ${result} of an operation are numbers of values; 0: none.  Loads go by the
 * number of the value that they make.  changes: it may change the key's state.
 */
#define LINEAR_WHATS(WHAT)                                                                                        \
    WHAT(FIND, "find", false)                 /* result: found */                                                 \
    WHAT(CONTAINS, "contains", false)         /* result: 1 if so */                                               \
    WHAT(INSERT, "insert", true)              /* a; result: a, or 0: refused */                                   \
    WHAT(ADD, "add", true)                    /* a, only if absent; result: a, or what is there; 0: refused */    \
    WHAT(REMOVE, "remove", true)              /* result: 1 if there was one */                                    \
    WHAT(KEY_FIND, "key_find", false)         /* by the handle of a; result: a or 0 */                            \
    WHAT(KEY_VALID, "key_is_valid", false)    /* the same */                                                      \
    WHAT(KEY_REPLACE, "key_replace", true)    /* a by b; result: b; 0: a has left; a: refused */                  \
    WHAT(KEY_REMOVE, "key_remove", true)      /* a; result: a or 0 */                                             \
    WHAT(SLOT_EXCHANGE, "slot_exchange", true) /* a in; result: out */                                            \
    WHAT(SLOT_LOAD, "slot_load", false)       /* result: the value of the key in it */                            \
    WHAT(SLOT_SWAP, "slot_compare_exchange", true) /* a by b; result: 1 if done */                                \
    WHAT(SLOT_FIND, "slot_find", false)       /* result: found */                                                 \
    WHAT(SLOT_RENEW, "slot_renew", true)      /* as SLOT_EXCHANGE, of a that is there, and without bytes, until */ \
    WHAT(SLOT_REMOVE, "slot_remove", true)    /* a, in the slot or not any more */                                \
    WHAT(CLEAR, "clear", true)                /* of its entry */                                                  \
    WHAT(CLEAR_LOAD, "clear_load", true)      /* and of its load, which is another step */                        \
    WHAT(GET, "get", false)                   /* result: found, or got from the load that makes it */             \
    WHAT(JOIN, "join", false)                 /* result: got from the load that makes it */                       \
    WHAT(SHARE_FAILURE, "share_failure", false) /* result: the load that failed */                                \
    WHAT(PENDING, "pending", false)           /* another loads it */                                              \
    WHAT(CLAIM, "claim", true)                /* a: the load that begins */                                       \
    WHAT(FINISH, "finish", true)              /* a; result: a: cached; 0: overtaken; SOMEHOW; REFUSED */          \
    WHAT(FAIL, "fail", true)                  /* a */                                                             \
    WHAT(CANCEL, "cancel", true)              /* result: 1 if there was a load */

enum what {
#define LINEAR_WHAT_ID(id, name, changes) id,
    LINEAR_WHATS(LINEAR_WHAT_ID)
    WHATS
};

enum { NOTHING = 0, SOMEHOW = 1, REFUSED = 2, FIRST_VALUE = 100 };

struct op {
    uint64_t called, returned; /* on one clock for all threads */
    uint32_t thread, key;
    enum what what;
    uint32_t a, b, result;
    bool early; /* called before its history begins: what it did may have been done by then */
};

/* Of one key, in the order of the calls. */
struct history {
    struct op *op;
    size_t count;
};
#endif
