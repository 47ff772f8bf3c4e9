/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "options.h"
#include "report.h"
#include "stress.h"

int main(int argc, char **argv)
{
    struct options options;
    options_parse(&options, argc, argv);
    report_json_probe(options.json);
    return options.command == BENCH_RUN ? harness_run(&options) : stress_run(&options);
}
