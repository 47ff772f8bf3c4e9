# tables.awk: print what replay.sh measured.
# Reads, in this order: reference.csv (trace, fraction, capacity, policy, object, byte, work miss) and lines of run,
# trace, fraction, object, byte, work miss, keys.  A cell is a trace and a fraction.

# ---- What to reach

BEGIN {
    # The least that is expected, and what would be ahead of every policy that is known.
    OBJECT_MEAN = 0.488; OBJECT_MEAN_AHEAD = 0.480
    BYTE_MEAN = 0.542
    WORK_MEAN = 0.409; WORK_MEAN_AHEAD = 0.400
    # Points that a cell's object miss may lie above the best known policy of that cell.
    CELL_GAP = 10
    # Points that sixteen shards may lose on the mean, where each has at least so many entries.
    SHARDS = 16; SHARD_ENTRIES = 64; SHARDS_LOSS = 0.1
    # Points that eviction by work may lose on the mean if all works are equal.
    EQUAL_LOSS = 0.2

    split("object byte work", MEASURES, " ")
    run_of["object"] = "hits"; run_of["byte"] = "balanced"; run_of["work"] = "work"
    # The reference has no works for these; the same policies under other names have them.
    twin["LRU"] = "own lru"; twin["S3FIFO"] = "own S3"
}

# ---- Reading

FS == "," {
    sub(/\r$/, "")
    if (FNR == 1) next
    cell = $1 " " ($2 + 0)
    policies[$4] = 1
    if (!(cell in listed)) { listed[cell] = 1; listed_count++ }
    for (i = 1; i <= 3; i++)
        if ($(4 + i) != "") known[MEASURES[i], cell, $4] = $(4 + i)
    next
}

{
    cell = $2 " " ($3 + 0)
    if (!(cell in seen)) {
        seen[cell] = 1
        cells[++count] = cell
        trace[cell] = $2
        fraction[cell] = $3 + 0
        entries[cell] = $3 * $7
    }
    for (i = 1; i <= 3; i++) miss[MEASURES[i], cell, $1] = $(3 + i)
}

# ---- Reckoning

function knows_future(policy) { return policy ~ /^Belady/ }

# The lowest miss of a policy in this cell; best_name: whose.
function best_known(measure, cell,    policy, best) {
    best = 2
    for (policy in policies)
        if ((measure, cell, policy) in known && !knows_future(policy) &&
            (known[measure, cell, policy] < best || (known[measure, cell, policy] == best && policy < best_name))) {
            best = known[measure, cell, policy]
            best_name = policy
        }
    return best
}

function points(more, less) { return 100 * (more - less) }

function our_miss(measure, cell) { return miss[measure, cell, run_of[measure]] }

function our_mean(measure,    i, sum) {
    for (i = 1; i <= count; i++) sum += our_miss(measure, cells[i])
    return sum / count
}

# Of a policy, over the same cells; -1: one of them is not known.
function known_mean(measure, policy,    i, sum) {
    for (i = 1; i <= count; i++) {
        if (!((measure, cells[i], policy) in known)) return -1
        sum += known[measure, cells[i], policy]
    }
    return sum / count
}

# The policy of our own with the lowest mean.
function best_own(measure,    policy, mean, best, name) {
    best = 2
    for (policy in policies) {
        if (policy !~ /^own /) continue
        mean = known_mean(measure, policy)
        if (mean >= 0 && mean < best) { best = mean; name = policy }
    }
    return name
}

# Points that a run's object misses lie above those of another, on the mean over the cells of so many entries.
function mean_loss(run, other, least_entries,    i, n, sum) {
    for (i = 1; i <= count; i++)
        if (entries[cells[i]] >= least_entries) {
            sum += points(miss["object", cells[i], run], miss["object", cells[i], other])
            n++
        }
    loss_cells = n
    return n ? sum / n : 0
}

# Points above the best known policy in the worst cell; worst_cell: which.
function worst_gap(measure,    i, gap, worst) {
    worst = -100
    for (i = 1; i <= count; i++) {
        gap = points(our_miss(measure, cells[i]), best_known(measure, cells[i]))
        if (gap > worst) { worst = gap; worst_cell = cells[i] }
    }
    return worst
}

# ---- Printing, within 80 columns

# Without the sign of a nothing.
function signed(x) { return sprintf("%+.2f", x > -0.005 && x < 0.005 ? 0 : x) }

function ratio(x) { return x >= 0 ? sprintf("%.4f", x) : "-" }

function title(measure) { return measure " miss, " run_of[measure] }

function print_cells(measure,    i, cell, ours, best, belady) {
    printf "%s\n\n%-12s %8s %7s %7s  %-26s %6s %7s\n", toupper(title(measure)), "trace", "fraction", "brim", "best", "of",
        "gap", "Belady"
    for (i = 1; i <= count; i++) {
        cell = cells[i]
        ours = our_miss(measure, cell)
        best = best_known(measure, cell)
        belady = (measure, cell, "Belady") in known ? known[measure, cell, "Belady"] : -1
        printf "%-12s %8g %7.4f %7.4f  %-26s %6s %7s\n", trace[cell], fraction[cell], ours, best, best_name,
            signed(points(ours, best)), ratio(belady)
    }
    print ""
}

function print_mean(measure,    i, n, columns, policy, mean) {
    printf "%-20s %7.4f", title(measure), our_mean(measure)
    n = split("LRU S3FIFO GDSF ARC", columns, " ")
    for (i = 1; i <= n; i++) {
        mean = known_mean(measure, columns[i])
        if (mean < 0 && columns[i] in twin) mean = known_mean(measure, twin[columns[i]])
        printf " %7s", ratio(mean)
    }
    policy = best_own(measure)
    printf " %7s\n", policy != "" ? ratio(known_mean(measure, policy)) : "-"
}

function print_means(    i) {
    printf "MEANS OVER %d CELLS\n\n%-20s %7s %7s %7s %7s %7s %7s\n", count, "", "brim", "LRU", "S3FIFO", "GDSF", "ARC", "own"
    for (i = 1; i <= 3; i++) print_mean(MEASURES[i])
    print "\nown: the best of the reference's own policies, which are"
    for (i = 1; i <= 3; i++) printf "     %s, %s\n", MEASURES[i], best_own(MEASURES[i])
    print "Works of LRU and S3FIFO: those of own lru and own S3.\n"
}

function print_worst(    i, gap) {
    print "WORST CELLS\n"
    for (i = 1; i <= 3; i++) {
        gap = worst_gap(MEASURES[i])
        printf "%-20s %6s points above the best known: %s\n", title(MEASURES[i]), signed(gap), worst_cell
    }
    print ""
}

function judge(what, value, limit, format) {
    printf "%-46s " format "  <= " format "  %s\n", what, value, limit, value <= limit ? "holds" : "does not hold"
}

function print_figures(    object, work, loss) {
    object = our_mean("object")
    work = our_mean("work")
    print "FIGURES TO REACH\n"
    if (count < listed_count) printf "They are meant for all %d cells of the reference; these are %d.\n\n", listed_count, count
    judge("mean object miss, hits", object, OBJECT_MEAN, "%6.4f")
    judge("mean object miss, hits: ahead of all known", object, OBJECT_MEAN_AHEAD, "%6.4f")
    judge("mean byte miss, balanced", our_mean("byte"), BYTE_MEAN, "%6.4f")
    judge("mean work miss, work", work, WORK_MEAN, "%6.4f")
    judge("mean work miss, work: ahead of all known", work, WORK_MEAN_AHEAD, "%6.4f")
    judge("worst cell's object miss, hits: points", worst_gap("object"), CELL_GAP, "%6.2f")
    loss = mean_loss("hits16", "hits", SHARDS * SHARD_ENTRIES)
    judge(sprintf("%d shards against one, mean of %d: points", SHARDS, loss_cells), loss, SHARDS_LOSS, "%6.2f")
    judge("work if all are equal, against hits: points", mean_loss("equal", "hits", 0), EQUAL_LOSS, "%6.2f")
}

END {
    for (i = 1; i <= 3; i++) print_cells(MEASURES[i])
    print_means()
    print_worst()
    print_figures()
}
