/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "options.h"
#include "peers/peers.h"
#include "publish.h"
#include "replay/replay.h"
#include "report.h"
#include "stress.h"

static int run(const struct options *options)
{
    switch (options->command) {
    case BENCH_RUN: return harness_run(options);
    case BENCH_PEERS: return peers_run(options);
    case BENCH_REPLAY: return replay_run(options);
    default: return stress_run(options);
    }
}

int main(int argc, char **argv)
{
    static struct options options;      /* to the end: what it points to is never freed */
    options_parse(&options, argc, argv);
    report_json_probe(options.json);
    if (options.publish)
        publish_begin();
    const int status = run(&options);
    publish_end();
    return status;
}
