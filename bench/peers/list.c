/* SPDX-License-Identifier: MIT */
#include "peer.h"

/* Adapters are built only where their package is: the others' addresses are NULL. */
#pragma weak peer_brim_find_many
#pragma weak peer_brim_peek
#pragma weak peer_brim_peek_many
#pragma weak peer_rocksdb_hyperclock
#pragma weak peer_rocksdb_lru
#pragma weak peer_leveldb
#pragma weak peer_glib_lru
#pragma weak peer_qt_qcache
#pragma weak peer_onetbb

const struct known_peer known_peers[] = {
    {"brim find", NULL, &peer_brim_find},
    {"brim find_many", NULL, &peer_brim_find_many},
    {"brim peek", NULL, &peer_brim_peek},
    {"brim peek_many", NULL, &peer_brim_peek_many},
    {"brim key_find", NULL, &peer_brim_key_find},
    {"rocksdb hyperclock", "librocksdb-dev", &peer_rocksdb_hyperclock},
    {"rocksdb lru", "librocksdb-dev", &peer_rocksdb_lru},
    {"leveldb", "libleveldb-dev", &peer_leveldb},
    {"glib lru", "libglib2.0-dev", &peer_glib_lru},
    {"qt qcache", "qtbase5-dev", &peer_qt_qcache},
    {"onetbb", "libtbb-dev", &peer_onetbb},
};
const size_t known_peer_count = sizeof known_peers / sizeof known_peers[0];
