# SPDX-License-Identifier: MIT
# Brim.  `make help' lists the targets; everything that is made lies in build/.

.DEFAULT_GOAL := release
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ALL_VARIANTS := release debug asan tsan
VARIANTS ?= $(ALL_VARIANTS)

# ---- Sources ------------------------------------------------------------------------------------------------

# Adapters of other caches: in release only, each if its package is there (`make peers' installs them).
PEER_C_ALL := bench/peers/glib_lru.c
PEERS_PRESENT := $(shell test/support/setup.sh present peers)
# $(call peer,PACKAGE,ADAPTER)
peer = $(if $(filter $1,$(PEERS_PRESENT)),bench/peers/$2)
PEER_C := $(strip $(call peer,libglib2.0-dev,glib_lru.c))
PEER_CXX := $(strip $(if $(filter g++,$(PEERS_PRESENT)),$(call peer,librocksdb-dev,rocksdb.cpp) \
            $(call peer,libleveldb-dev,leveldb.cpp) $(call peer,qtbase5-dev,qt_qcache.cpp) $(call peer,libtbb-dev,onetbb.cpp)))

LIB_SRC := $(sort $(wildcard $(addprefix lib/,$(addsuffix /*.c,base part entry shard cache))))
BENCH_SRC := $(sort $(wildcard bench/*.c) $(filter-out $(PEER_C_ALL),$(wildcard bench/peers/*.c)) $(wildcard bench/replay/*.c))
RENDER_SRC := $(sort $(wildcard bench/render/*.c))
INSTRUCTIONS_SRC := $(sort $(wildcard bench/instructions/*.c))
# brim-top is built where its packages are.
TOP_PACKAGES := ncursesw jansson
TOP_SRC := $(if $(shell pkg-config --exists $(TOP_PACKAGES) 2>/dev/null || echo missing),,$(sort $(wildcard bench/top/*.c)))
SUPPORT_SRC := $(sort $(wildcard test/support/*.c))
TEST_SRC := $(sort $(wildcard $(addprefix test/,$(addsuffix /test_*.c,unit guarantee model fault))))
MODEL_SRC := $(sort $(filter-out $(TEST_SRC),$(wildcard test/model/*.c)))
FUZZ_SRC := $(sort $(wildcard test/fuzz/*.c))
LITMUS_SRC := $(sort $(wildcard test/litmus/*.cpp))
FIBER_SRC := $(sort $(wildcard test/fiber/*.c))
SOURCES := $(LIB_SRC) $(BENCH_SRC) $(RENDER_SRC) $(INSTRUCTIONS_SRC) $(TOP_SRC) $(PEER_C) $(SUPPORT_SRC) $(MODEL_SRC) $(TEST_SRC) \
           $(FIBER_SRC) $(wildcard test/linear/*.c)

# Programs and tests lie below build/VARIANT; harnesses below build/litmus.
PROGRAMS := $(if $(BENCH_SRC),brim-bench) $(if $(RENDER_SRC),brim-render) $(if $(TOP_SRC),brim-top)
TESTS := $(TEST_SRC:.c=)
UNIT_TESTS := $(filter test/unit/%,$(TESTS))
FAULT_TESTS := $(filter test/fault/%,$(TESTS))
OUTSIDE_TESTS := $(filter-out test/unit/% test/fault/%,$(TESTS))
# Units are tested with assertions; what is released, from outside.
TESTS_outside = $(OUTSIDE_TESTS) $(FAULT_TESTS)
TESTS_debug = $(TESTS)
TESTS_asan = $(TESTS)
TESTS_tsan = $(TESTS)
TESTS_release = $(TESTS_outside)
# In each variant what that has most to say about, for `make check': ThreadSanitizer about threads, of which test_eviction
# has few and much else.
TESTS_sampled_debug = $(UNIT_TESTS) $(FAULT_TESTS)
TESTS_sampled_asan = $(TESTS_outside)
TESTS_sampled_tsan := $(filter-out %/test_eviction,$(basename $(shell grep -lE 'crew_|worker_|pthread_create' $(TEST_SRC))))
TESTS_sampled_release = $(TESTS_outside)
OBJCOPY ?= objcopy
# Guarantees that must hold also where membarrier(2) is refused: linked with the faulty library, too.
REFUSED := test_sections test_sections_threads test_sections_leave test_sections_fork test_g02 test_g03 test_g07
LITMUS := $(filter-out suite,$(LITMUS_SRC:test/litmus/%.cpp=%))

# ---- Compilers and flags ------------------------------------------------------------------------------------

# $(call lazy,NAME,COMMAND): NAME is what COMMAND prints; it runs once, and only if something needs NAME.
define lazy
$1 = $$(eval $1 := $$(shell $2))$$($1)
endef

# CC=... on the command line serves every variant and check.  Otherwise it is gcc, and for tsan the first of
# clang-19, clang and gcc that can link a ThreadSanitizer program.
ifeq ($(origin CC),default)
CC := gcc
$(eval $(call lazy,CC_tsan,test/support/find_cc.sh -fsanitize=thread clang-19 clang gcc))
STRICT_CC_gcc := gcc
$(eval $(call lazy,STRICT_CC_clang,test/support/find_cc.sh -fsyntax-only clang-19 clang))
else
CC_tsan = $(CC)
STRICT_CC_gcc = $(CC)
STRICT_CC_clang = $(CC)
endif
CC_release = $(CC)
CC_debug = $(CC)
CC_asan = $(CC)
LINK_release = $(if $(PEER_CXX),$(CXX),$(CC))
LINK_debug = $(CC_debug)
LINK_asan = $(CC_asan)
LINK_tsan = $(CC_tsan)
ifeq ($(origin CXX),default)
CXX := g++
endif

# Static probes (lib/base/probe.h), where there is <sys/sdt.h>, and not with NO_PROBES=1.
PROBES := $(if $(NO_PROBES),-DBRIM_NO_PROBES,$(shell echo '\#include <sys/sdt.h>' | $(CC) -E -x c - >/dev/null 2>&1 || echo -DBRIM_NO_PROBES))
STANDARD := -std=c11 -D_GNU_SOURCE -pthread $(PROBES)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wundef -Wstrict-prototypes
FLAGS_release := -O3 -g -DNDEBUG
FLAGS_debug := -O1 -g -DBRIM_TRACE_REFS -DBRIM_INTERFERE
FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DBRIM_YIELD
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DBRIM_YIELD
SHARED := -shared -Wl,-soname,libbrim.so.0 -Wl,--version-script=lib/libbrim.map -Wl,-z,nodelete
LITMUS_FLAGS := -w -fpermissive -std=c++17 -O1 -fno-threadsafe-statics -DBRIM_RELACY -Iinclude -Ilib -Itest/litmus

# Warnings are errors only in `make strict', where gcc sees what release compiles and clang what tsan does.
STRICT_FLAGS_gcc := -DNDEBUG
STRICT_FLAGS_clang := -DBRIM_YIELD
# That locks are held, as the library's sources say (lib/base/guard.h): for compilers that can check it.
GUARD_WARNINGS := -Wthread-safety -Wthread-safety-beta
$(eval $(call lazy,GUARDS,$$(STRICT_CC_clang) -Werror $$(GUARD_WARNINGS) -fsyntax-only -x c /dev/null 2>&1 >/dev/null | \
    grep -q . || echo $$(GUARD_WARNINGS)))

BENCH_PACKAGES := jansson libzstd
RENDER_PACKAGES := harfbuzz freetype2 libpng jansson libxml-2.0
$(eval $(call lazy,BENCH_CFLAGS,pkg-config --cflags $(BENCH_PACKAGES)))
$(eval $(call lazy,BENCH_LIBS,pkg-config --libs $(BENCH_PACKAGES)))
PEER_PACKAGES := $(strip $(if $(PEER_C),glib-2.0) $(if $(filter %/rocksdb.cpp,$(PEER_CXX)),rocksdb) \
                 $(if $(filter %/qt_qcache.cpp,$(PEER_CXX)),Qt5Core) $(if $(filter %/onetbb.cpp,$(PEER_CXX)),tbb))
$(eval $(call lazy,PEER_CFLAGS,$(if $(PEER_PACKAGES),pkg-config --cflags $(PEER_PACKAGES))))
$(eval $(call lazy,PEER_LIBS,$(if $(PEER_PACKAGES),pkg-config --libs $(PEER_PACKAGES))))
PEER_LIBS_release = $(PEER_LIBS) $(if $(filter %/leveldb.cpp,$(PEER_CXX)),-lleveldb)
PEER_OBJ_release := $(patsubst %,build/release/obj/%.o,$(basename $(PEER_C) $(PEER_CXX)))
$(eval $(call lazy,RENDER_CFLAGS,pkg-config --cflags $(RENDER_PACKAGES)))
$(eval $(call lazy,RENDER_LIBS,pkg-config --libs $(RENDER_PACKAGES)))
$(eval $(call lazy,TOP_CFLAGS,pkg-config --cflags $(TOP_PACKAGES)))
$(eval $(call lazy,TOP_LIBS,pkg-config --libs $(TOP_PACKAGES)))
$(eval $(call lazy,CHECK_CFLAGS,pkg-config --cflags check))
$(eval $(call lazy,CHECK_LIBS,pkg-config --libs check))

# $(call flags_for,SOURCE): what a source needs beyond the above.  Programs in bench/ cannot see lib/.
flags_for = $(if $(filter lib/%,$1),-Iinclude -Ilib -fPIC -fvisibility=hidden,$(strip \
            $(if $(filter bench/render/%,$1),-Iinclude $(RENDER_CFLAGS),$(strip \
            $(if $(filter bench/instructions/%,$1),-Iinclude,$(strip \
            $(if $(filter bench/top/%,$1),-Iinclude -D_XOPEN_SOURCE_EXTENDED=1 $(TOP_CFLAGS),$(strip \
            $(if $(filter bench/%,$1),-Iinclude $(BENCH_CFLAGS) $(if $(filter $(PEER_C),$1),$(PEER_CFLAGS)),$(strip \
            $(if $(filter test/fuzz/%,$1),-Iinclude -Ilib -Itest $(BENCH_CFLAGS) $(RENDER_CFLAGS),$(strip \
            -Iinclude $(if $(filter test/linear/%,$1),,-Ilib) -Itest $(CHECK_CFLAGS)))))))))))))

# $(call less_for,SOURCE): tests do little themselves, and there are many: so they take a third of the time to compile.
# Not where they are mutated: as inline functions are in them.
less_for = $(if $(filter test/unit/% test/guarantee/% test/fault/%,$1),-O0)

# ---- Rules --------------------------------------------------------------------------------------------------

# $(call remember,TEXT): the target changes only when TEXT does, so that other flags or sources rebuild.
define remember
@mkdir -p $(@D)
@printf '%s\n' '$(strip $1)' | cmp -s - $@ || printf '%s\n' '$(strip $1)' >$@
endef

build/%/flags: FORCE
	$(call remember,$(CC_$*) $(STANDARD) $(WARNINGS) $(FLAGS_$*) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LINK_$*) $(SHARED))

build/%/sources: FORCE
	$(call remember,$(LIB_SRC) $(BENCH_SRC) $(RENDER_SRC) $(INSTRUCTIONS_SRC) $(TOP_SRC) $(PEER_C) $(PEER_CXX) $(SUPPORT_SRC))

build/strict/%/flags: FORCE
	$(call remember,$(STRICT_CC_$*) $(STANDARD) $(WARNINGS) $(STRICT_FLAGS_$*) $(CPPFLAGS))

build/litmus/flags: FORCE
	$(call remember,$(CXX) $(LITMUS_FLAGS))

# $(call variant_rules,VARIANT)
define variant_rules
.PHONY: $1 tests-$1 sampled-$1
$1: build/$1/libbrim.a build/$1/libbrim.so $(PROGRAMS:%=build/$1/%)
tests-$1: $$(TESTS_$1:%=build/$1/%)
sampled-$1: $$(TESTS_sampled_$1:%=build/$1/%)

build/$1/obj/%.o: %.c build/$1/flags
	@mkdir -p $$(@D)
	$$(CC_$1) $(STANDARD) $(WARNINGS) $(FLAGS_$1) $$(call flags_for,$$<) $(if $(filter-out mutation,$1),$$(call less_for,$$<)) $$(CPPFLAGS) $$(CFLAGS) \
	    -MMD -MP -c -o $$@ $$<

# One object in which only the public names are global, so that the library's own clash with nobody's.
build/$1/libbrim.a: $(LIB_SRC:%.c=build/$1/obj/%.o) build/$1/sources
	@rm -f $$@
	$$(LD) -r -o build/$1/obj/brim.o $$(filter %.o,$$^)
	$$(OBJCOPY) --localize-hidden build/$1/obj/brim.o
	$$(AR) rcs $$@ build/$1/obj/brim.o

# For unit tests, which call what is inside.
build/$1/obj/libinside.a: $(LIB_SRC:%.c=build/$1/obj/%.o) build/$1/sources
	@rm -f $$@
	$$(AR) rcs $$@ $$(filter %.o,$$^)

# For tests of failures: what the library calls outside comes to test/support/fault.c.
build/$1/obj/libfaulty.a: build/$1/libbrim.a test/fault/calls
	@awk '$$$$2 ~ /^(fails|told)$$$$/ { print $$$$1, "fault_" $$$$1 }' test/fault/calls >build/$1/obj/renamed
	$$(OBJCOPY) --redefine-syms=build/$1/obj/renamed $$< $$@

build/$1/libbrim.so: $(LIB_SRC:%.c=build/$1/obj/%.o) build/$1/sources lib/libbrim.map
	$$(CC_$1) $(FLAGS_$1) $(SHARED) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -pthread
	@ln -sf libbrim.so $$@.0

build/$1/brim-bench: $(BENCH_SRC:%.c=build/$1/obj/%.o) $(PEER_OBJ_$1) build/$1/libbrim.a
	$$(LINK_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(BENCH_LIBS) $$(PEER_LIBS_$1) -lm -pthread

build/$1/brim-render: $(RENDER_SRC:%.c=build/$1/obj/%.o) build/$1/libbrim.a
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(RENDER_LIBS) -lm -pthread

build/$1/brim-top: $(TOP_SRC:%.c=build/$1/obj/%.o) build/$1/libbrim.a
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(TOP_LIBS) -lm -pthread

build/$1/brim-instructions: $(INSTRUCTIONS_SRC:%.c=build/$1/obj/%.o) build/$1/libbrim.a
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) -pthread

$(UNIT_TESTS:%=build/$1/%): build/$1/obj/libinside.a
$(OUTSIDE_TESTS:%=build/$1/%): build/$1/libbrim.a
$(FAULT_TESTS:%=build/$1/%): build/$1/obj/libfaulty.a
.PHONY: refused-$1
refused-$1: $(REFUSED:%=build/$1/test/refused/%)
$(REFUSED:%=build/$1/test/refused/%): build/$1/obj/libfaulty.a

build/$1/test/model/test_model: $(MODEL_SRC:%.c=build/$1/obj/%.o)
$(TESTS:%=build/$1/%): build/$1/%: build/$1/obj/%.o $(SUPPORT_SRC:%.c=build/$1/obj/%.o)
	@mkdir -p $$(@D)
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(CHECK_LIBS) -lm -pthread
$(REFUSED:%=build/$1/test/refused/%): build/$1/test/refused/%: build/$1/obj/test/guarantee/%.o $(SUPPORT_SRC:%.c=build/$1/obj/%.o)
	@mkdir -p $$(@D)
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(CHECK_LIBS) -lm -pthread
endef
$(foreach v,$(ALL_VARIANTS),$(eval $(call variant_rules,$v)))

# brim-linear records histories and checks them; brim-linear.PLANT does so with that bug in the library: only what has it
# is compiled anew, and stands before the library, which it takes the place of.
LINEAR_SRC := $(sort $(filter-out test/linear/test_%,$(wildcard test/linear/*.c)))
LINEAR_TEST := $(addprefix test/linear/,test_linear checker events model text)
LINEAR_PLANTS := shard_replace_unlinks_first shard_replace_unlinks_last shard_last_is_a_miss shard_publishes_overtaken \
                 shard_remove_overtakes_nothing flight_joins_late find_slot_looks_once index_insert_forgets_copy
# $(call linear_rules,VARIANT)
define linear_rules
build/$1/brim-linear: $(LINEAR_SRC:%.c=build/$1/obj/%.o) build/$1/libbrim.a
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) -pthread

build/$1/test/linear/test_linear: $(LINEAR_TEST:%=build/$1/obj/%.o)
	@mkdir -p $$(@D)
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$^ $$(CHECK_LIBS) -lm -pthread

build/$1/brim-linear.%: $(LINEAR_SRC:%.c=build/$1/obj/%.o) build/$1/obj/libinside.a
	@mkdir -p build/$1/obj/plant/$$*
	cd build/$1/obj/plant/$$* && $$(CC_$1) $(STANDARD) $(FLAGS_$1) -I$(CURDIR)/include -I$(CURDIR)/lib -DBRIM_PLANT_$$*=1 \
	    -c $$$$(cd $(CURDIR) && grep -l 'PLANTED($$*)' $(LIB_SRC) | sed 's|^|$(CURDIR)/|')
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) build/$1/obj/plant/$$*/*.o build/$1/obj/libinside.a -pthread
endef
$(foreach v,$(ALL_VARIANTS),$(eval $(call linear_rules,$v)))

# -fPIC is Qt's wish; others' headers are not ours to warn about.
build/release/obj/bench/peers/%.o: bench/peers/%.cpp build/release/flags
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -D_GNU_SOURCE -pthread -Wall -Wextra -Wshadow $(FLAGS_release) -fPIC -Iinclude \
	    $(patsubst -I%,-isystem %,$(PEER_CFLAGS)) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# Harnesses on fibers, in variants of their own: build/fiber-tsan/fiber/HARNESS.  Only clang has -femulated-tls.
FIBER_PARTS := test/fiber/fiber test/fiber/threads test/fiber/small
FIBERS := $(filter-out $(FIBER_PARTS:test/fiber/%=%),$(FIBER_SRC:test/fiber/%.c=%))
FIBER_FLAGS := -O1 -g -fno-omit-frame-pointer -DBRIM_YIELD -DBRIM_FIBER -femulated-tls -include test/fiber/threads.h
FLAGS_fiber-tsan := $(FIBER_FLAGS) -fsanitize=thread
FLAGS_fiber-asan := $(FIBER_FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=undefined
$(eval $(call lazy,CC_fiber-tsan,test/support/find_cc.sh -femulated-tls clang-19 clang))
CC_fiber-asan = $(CC_fiber-tsan)
# $(call fiber_rules,VARIANT)
define fiber_rules
$(call variant_rules,$1)
.PHONY: programs-$1
programs-$1: $(FIBERS:%=build/$1/fiber/%)
$(FIBERS:%=build/$1/fiber/%): build/$1/fiber/%: build/$1/obj/test/fiber/%.o $(FIBER_PARTS:%=build/$1/obj/%.o) \
    build/$1/obj/libinside.a
	@mkdir -p $$(@D)
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) -lm -pthread
endef
$(foreach v,fiber-tsan fiber-asan,$(eval $(call fiber_rules,$v)))
FIBER_PLANTS := $(shell grep -HoE '^ \* plant: *[a-z0-9_]+' $(FIBER_SRC) | sed 's|^.*/\(.*\)\.c:.*plant: *|\1.|')

# Coverage is counted where nothing is optimised, with assertions, and without them in unit tests, and summed.  The tests
# that only repeat, for long, are left out.
COVERAGE_VARIANTS := coverage-debug coverage-release
COVERAGE_LONG := $(addprefix test/guarantee/test_,eviction eviction_work g05 g13 pressure) test/model/test_model
COVERAGE_TESTS := $(addprefix build/coverage-debug/,$(filter-out $(COVERAGE_LONG),$(TESTS))) \
                  $(UNIT_TESTS:%=build/coverage-release/%)
COVERAGE_FLAGS := -O0 -g --coverage -DCHECKING_BUILD=1 -Wl,--wrap=abort,--wrap=_exit
FLAGS_coverage-debug := $(COVERAGE_FLAGS) -DBRIM_TRACE_REFS -DBRIM_INTERFERE
FLAGS_coverage-release := $(COVERAGE_FLAGS) -DNDEBUG
$(foreach v,$(COVERAGE_VARIANTS),$(eval CC_$v = $(CC))$(eval LINK_$v = $(CC))$(eval $(call variant_rules,$v)))
$(foreach v,$(COVERAGE_VARIANTS),$(eval $(TESTS:%=build/$v/%): build/$v/obj/test/coverage/flush.o))

# Mutants are made of what is not inlined: each function is there once, or as copies that are alike.
FLAGS_mutation := -O1 -fno-inline -g -DBRIM_TRACE_REFS -DBRIM_INTERFERE -DCHECKING_BUILD=1
CC_mutation = $(CC)
LINK_mutation = $(CC)
$(eval $(call variant_rules,mutation))
MUTATION_TESTS := $(sort $(filter test/%,$(shell cat test/mutation/tests.txt)))
.PHONY: programs-coverage programs-mutation
programs-coverage: $(COVERAGE_TESTS)
programs-mutation: build/mutation/libbrim.so $(MUTATION_TESTS:%=build/mutation/%)

# Harnesses include the library's own sources, as C++ over Relacy.
$(LITMUS:%=build/litmus/%): build/litmus/%: test/litmus/%.cpp build/litmus/suite.o build/litmus/flags
	$(CXX) $(LITMUS_FLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< build/litmus/suite.o
build/litmus/suite.o: test/litmus/suite.cpp build/litmus/flags
	$(CXX) $(LITMUS_FLAGS) -O2 -MMD -MP -MF build/litmus/suite.d -MT $@ -c -o $@ $<
.PHONY: programs-litmus
programs-litmus: $(LITMUS:%=build/litmus/%)

# Fuzzers lie below build/fuzz, with a library that tells the fuzzer which code was run: without its comparisons, which
# would cost half the time.  Programs that end at a wrong input are to go on (test/fuzz/attempt.h).
$(eval $(call lazy,CC_fuzz,test/support/find_cc.sh -fsanitize=fuzzer-no-link clang-19 clang))
LINK_fuzz = $(CC_fuzz)
FLAGS_fuzz := -O2 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
              -fno-sanitize-coverage=trace-cmp,indirect-calls
$(eval $(call variant_rules,fuzz))
FUZZERS := operations trace text options
WRAP_EXIT := -Wl,--wrap=exit,--wrap=_Exit
fuzz_objects = $(patsubst %,build/fuzz/obj/%.o,$1)
build/fuzz/operations: $(call fuzz_objects,test/fuzz/operations test/fuzz/pool $(MODEL_SRC:.c=)) build/fuzz/libbrim.a
build/fuzz/trace: FUZZ_LIBS = $(WRAP_EXIT) $(BENCH_LIBS)
build/fuzz/trace: $(call fuzz_objects,test/fuzz/trace test/fuzz/attempt \
                  $(addprefix bench/,fail progress latency $(addprefix replay/,trace lines request source keyset)))
build/fuzz/text: FUZZ_LIBS = $(WRAP_EXIT) $(RENDER_LIBS)
build/fuzz/text: $(call fuzz_objects,test/fuzz/text test/fuzz/attempt $(addprefix bench/render/, \
                 texts html plain doc readfile utf8 untranslated diag progress outfile must))
build/fuzz/options: FUZZ_LIBS = $(WRAP_EXIT) $(BENCH_LIBS)
build/fuzz/options: $(call fuzz_objects,test/fuzz/options test/fuzz/attempt $(addprefix bench/, \
                    options workloads fail replay/ask $(addprefix render/,cli diag progress outfile must))) build/fuzz/libbrim.a
$(FUZZERS:%=build/fuzz/%):
	$(CC_fuzz) $(FLAGS_fuzz) -fsanitize=fuzzer $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(FUZZ_LIBS) -lm -pthread
# The first one's inputs at random: without libFuzzer, which takes most of the time.
build/fuzz/sequences: $(call fuzz_objects,test/fuzz/sequences test/fuzz/operations test/fuzz/pool $(MODEL_SRC:.c=)) \
                      build/fuzz/obj/libinside.a
	$(CC_fuzz) $(FLAGS_fuzz) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) -lm -pthread
.PHONY: programs-fuzz
programs-fuzz: $(FUZZERS:%=build/fuzz/%) build/fuzz/sequences
# The same without sanitizers, but with assertions: as many as can be.
FLAGS_sequences := -O3 -g
$(eval $(call lazy,CC_sequences,test/support/find_cc.sh -O3 clang-19 clang gcc))
LINK_sequences = $(CC_sequences)
$(eval $(call variant_rules,sequences))
build/sequences/sequences: $(patsubst %,build/sequences/obj/%.o,test/fuzz/sequences test/fuzz/operations test/fuzz/pool \
                           $(MODEL_SRC:.c=)) build/sequences/obj/libinside.a
	$(CC_sequences) $(FLAGS_sequences) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) -lm -pthread

# $(call strict_rules,COMPILER)
define strict_rules
.PHONY: strict-$1
strict-$1: $(SOURCES:%.c=build/strict/$1/%.ok)
build/strict/$1/%.ok: %.c build/strict/$1/flags
	@mkdir -p $$(@D)
	$$(STRICT_CC_$1) $(STANDARD) $(WARNINGS) -Werror -fsyntax-only $(STRICT_FLAGS_$1) $$(call flags_for,$$<) $$(CPPFLAGS) \
	    $$(if $$(filter clang-lib/%,$1-$$<),$$(GUARDS)) \
	    -MMD -MP -MF $$(@:.ok=.d) -MT $$@ $$<
	@touch $$@
endef
$(foreach c,gcc clang,$(eval $(call strict_rules,$c)))

-include $(wildcard $(addprefix build/,$(addsuffix .d,*/obj/*/* */obj/*/*/* strict/*/*/* strict/*/*/*/* litmus/*)))

.PHONY: FORCE
FORCE:
.SECONDARY:
print-%:
	@echo $($*)

# ---- Static analysis ----------------------------------------------------------------------------------------
# Each tool over each source by itself, as `make strict' does.  scan-build only wraps what --analyze runs.

STATIC_SRC := $(LIB_SRC) $(BENCH_SRC) $(RENDER_SRC) $(INSTRUCTIONS_SRC) $(TOP_SRC) $(PEER_C) $(SUPPORT_SRC)
STATIC_FLAGS = $(STANDARD) $(call flags_for,$1) $(CPPFLAGS)
$(eval $(call lazy,CLANG_TIDY,command -v clang-tidy-19 || echo clang-tidy))
STATIC_TOOLS := guards gcc clang tidy
STATIC_SRC_guards := $(LIB_SRC)
STATIC_SRC_gcc := $(STATIC_SRC)
STATIC_SRC_clang := $(STATIC_SRC)
STATIC_SRC_tidy := $(STATIC_SRC)
# The same in each build that compiles other lines.
GUARDS_BUILDS := -DNDEBUG -DBRIM_TRACE_REFS -DBRIM_YIELD
static_guards = $(foreach d,$(GUARDS_BUILDS),$(STRICT_CC_clang) $(STATIC_FLAGS) $(GUARDS) $d -Werror -fsyntax-only $1 &&) :
static_gcc = $(STRICT_CC_gcc) $(STATIC_FLAGS) -O1 -fanalyzer -Werror -c -o /dev/null $1
# `shallow' takes a tenth of the time of `deep'.
ANALYZER_MODE ?= deep
static_clang = $(STRICT_CC_clang) $(STATIC_FLAGS) --analyze \
    -Xclang -analyzer-config -Xclang mode=$(ANALYZER_MODE) --analyzer-output text -Xclang -analyzer-werror $1
static_tidy = $(CLANG_TIDY) --quiet $1 -- $(STATIC_FLAGS)

# $(call static_rules,TOOL)
define static_rules
.PHONY: static-$1
static-$1: $$(STATIC_SRC_$1:%.c=build/static/$1/%.ok)
build/static/$1/flags: FORCE
	$$(call remember,$$(call static_$1,SOURCE))
build/static/$1/%.ok: %.c build/static/$1/flags .clang-tidy bench/.clang-tidy
	@mkdir -p $$(@D)
	$$(call static_$1,$$<)
	@$$(STRICT_CC_clang) $$(call STATIC_FLAGS,$$<) -MM -MP -MF $$(@:.ok=.d) -MT $$@ $$<
	@touch $$@
endef
$(foreach t,$(STATIC_TOOLS),$(eval $(call static_rules,$t)))
-include $(wildcard $(addprefix build/static/*/,$(addsuffix .d,*/*/* */*)))

.PHONY: static-cppcheck
static-cppcheck:
	@mkdir -p build/static/cppcheck
	cppcheck --quiet --error-exitcode=1 --cppcheck-build-dir=build/static/cppcheck \
	    --enable=warning,performance,portability --inline-suppr --std=c11 \
	    --template='{file}:{line}: {severity}: {id}: {message}' \
	    -D_GNU_SOURCE -D_Noreturn='__attribute__((noreturn))' -Iinclude -Ilib -Itest $(STATIC_SRC)

# ---- C++ ----------------------------------------------------------------------------------------------------
# include/brim.hpp, by compilers and standards: build/cpp/VARIANT/tests.  Races need a library that is instrumented by the
# same compiler; `bare' is without exceptions and RTTI.

CPP_SRC := $(sort $(wildcard test/cpp/*.cpp))
CPP_ALL := gcc17 gcc20 clang17 clang20 tsan17 tsan20 bare
CPP_WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wold-style-cast -Werror
$(eval $(call lazy,CXX_clang,command -v clang++-19 || echo clang++))
CXX_tsan = $(patsubst gcc%,g++%,$(patsubst clang%,clang++%,$(CC_tsan)))
CPP_COMPILER_gcc = $(CXX) $(FLAGS_asan:-O1=-O0)
CPP_COMPILER_clang = $(CXX_clang) $(FLAGS_asan:-O1=-O0)
CPP_COMPILER_tsan = $(CXX_tsan) $(FLAGS_tsan)
CPP_LIB_gcc := asan
CPP_LIB_clang := asan
CPP_LIB_tsan := tsan
CPP_LIB_bare := release
CPP_SRC_tsan := test/cpp/main.cpp test/cpp/test_threads.cpp
CPP_SRC_gcc := $(CPP_SRC)
CPP_SRC_clang := $(CPP_SRC)
CPP_SRC_bare := $(CPP_SRC)
# $(call cpp_rules,VARIANT,COMPILER,FLAGS)
define cpp_rules
build/cpp/$1/flags: FORCE
	$$(call remember,$$(CPP_COMPILER_$2) $3 $$(CPP_WARNINGS) $$(CPPFLAGS) $$(CXXFLAGS) $$(LDFLAGS))
build/cpp/$1/%.o: test/cpp/%.cpp build/cpp/$1/flags
	@mkdir -p $$(@D)
	$$(CPP_COMPILER_$2) $3 $$(CPP_WARNINGS) -pthread -Iinclude $$(CPPFLAGS) $$(CXXFLAGS) -MMD -MP -c -o $$@ $$<
build/cpp/$1/tests: $(CPP_SRC_$2:test/cpp/%.cpp=build/cpp/$1/%.o) build/$(CPP_LIB_$2)/libbrim.a
	$$(CPP_COMPILER_$2) $3 $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) -pthread
endef
$(foreach c,gcc clang tsan,$(foreach n,17 20,$(eval $(call cpp_rules,$c$n,$c,-std=c++$n))))
CPP_COMPILER_bare = $(CXX)
$(eval $(call cpp_rules,bare,bare,-std=c++17 -O0 -fno-exceptions -fno-rtti))
CPP_COST = $(CXX) -std=c++17 -O2 -g
build/cpp/cost: test/cpp/alone/cost.cpp include/brim.hpp include/brim.h build/release/libbrim.a
	@mkdir -p $(@D)
	$(CPP_COST) $(CPP_WARNINGS) -Iinclude $(CPPFLAGS) $(CXXFLAGS) -o $@ $(filter %.cpp %.a,$^) $(LDFLAGS) -pthread
-include $(wildcard build/cpp/*/*.d)

.PHONY: cpp cppcost
cpp: ## test include/brim.hpp by gcc and clang, C++17 and C++20, under sanitizers, and the blocks of docs/CPP.md
	@$(SET_UP) cpp
	@$(RUN_CHECKS) cpp

cppcost: ## count the instructions that brim.hpp takes beyond brim.h
	@$(SET_UP) cpp instructions
	@$(MAKE) --no-print-directory build/cpp/cost
	@test/cpp/cost.sh build/cpp/cost

# ---- Documentation ------------------------------------------------------------------------------------------
# Man pages and the reference come from the same comments (docs/reference/header.py).

PUBLIC_HEADERS := include/brim.h include/brim_debug.h
REFERENCE := $(wildcard docs/reference/*.py) docs/reference/Doxyfile
build/man/library: $(PUBLIC_HEADERS) $(REFERENCE)
	@rm -rf build/man/man3 build/man/man7
	python3 -B docs/reference/man.py library build/man $(PUBLIC_HEADERS)
	@touch $@
build/man/man1/%.1: build/release/% $(REFERENCE)
	python3 -B docs/reference/man.py programs build/man $<
build/api/index.html: $(PUBLIC_HEADERS) $(REFERENCE)
	@rm -rf build/api && mkdir -p build/api
	doxygen docs/reference/Doxyfile

.PHONY: man api docs
man: build/man/library $(PROGRAMS:%=build/man/man1/%.1) ## make the man pages in build/man, from the headers' comments and --help

api: ## make the reference in build/api, from the headers' comments, with Doxygen
	@$(SET_UP) docs
	@$(MAKE) --no-print-directory build/api/index.html
	@echo 'The reference is build/api/index.html.'

docs: ## check the documentation: code blocks, links, commands, man pages, reference
	@$(SET_UP) docs
	@$(RUN_CHECKS) docs

# ---- Examples -----------------------------------------------------------------------------------------------
# build/VARIANT/examples/DIRECTORY/PROGRAM, each of one source, as a reader would compile it, but that warnings are
# errors: by gcc, and for tsan by clang.  Those over Qt and LevelDB if their packages are there.

EXAMPLES_VARIANTS := release asan tsan
EXAMPLES_C := $(sort $(filter-out docs/examples/tiles/%,$(wildcard docs/examples/*/*.c)))
EXAMPLES_CXX := docs/examples/first_steps_cpp/first_steps_cpp.cpp \
                $(if $(filter qtbase5-dev,$(PEERS_PRESENT)),docs/examples/qpixmapcache/qpixmapcache.cpp) \
                $(if $(filter libleveldb-dev,$(PEERS_PRESENT)),docs/examples/leveldb/leveldb.cpp)
EXAMPLES := $(patsubst docs/examples/%,%,$(basename $(EXAMPLES_C) \
            $(if $(filter g++,$(PEERS_PRESENT)),$(EXAMPLES_CXX))))
EXAMPLES_LEFT_OUT := $(filter-out $(EXAMPLES),first_steps_cpp/first_steps_cpp qpixmapcache/qpixmapcache \
                     leveldb/leveldb)
EXAMPLES_CXX_release = $(CXX)
EXAMPLES_CXX_asan = $(CXX)
EXAMPLES_CXX_tsan = $(CXX_tsan)
EXAMPLES_FLAGS = -D_GNU_SOURCE -pthread -Wall -Wextra -Wshadow -Wconversion -Werror -Iinclude $(CPPFLAGS)
# others' headers are not ours to warn about
$(eval $(call lazy,EXAMPLE_QT_CFLAGS,pkg-config --cflags Qt5Gui | sed 's/-I/-isystem /g'))
$(eval $(call lazy,EXAMPLE_QT_LIBS,pkg-config --libs Qt5Gui))
# $(call examples_rules,VARIANT)
define examples_rules
.PHONY: examples-$1
examples-$1: $(EXAMPLES:%=build/$1/examples/%)
build/$1/examples/%: docs/examples/%.c build/$1/libbrim.a build/$1/flags
	@mkdir -p $$(@D)
	$$(CC_$1) -std=c11 $$(FLAGS_$1) $$(EXAMPLES_FLAGS) $$(CFLAGS) -MMD -MP -MF $$@.d -o $$@ $$< build/$1/libbrim.a \
	    $$(LDFLAGS)
build/$1/examples/%: docs/examples/%.cpp build/$1/libbrim.a build/$1/flags
	@mkdir -p $$(@D)
	$$(EXAMPLES_CXX_$1) -std=c++17 $$(FLAGS_$1) $$(EXAMPLES_FLAGS) $$(EXAMPLE_CFLAGS) $$(CXXFLAGS) -MMD -MP \
	    -MF $$@.d -o $$@ $$< build/$1/libbrim.a $$(LDFLAGS) $$(EXAMPLE_LIBS)
build/$1/examples/qpixmapcache/%: EXAMPLE_CFLAGS = -fPIC $$(EXAMPLE_QT_CFLAGS)
build/$1/examples/qpixmapcache/%: EXAMPLE_LIBS = $$(EXAMPLE_QT_LIBS)
build/$1/examples/leveldb/%: EXAMPLE_CFLAGS = -fno-rtti
build/$1/examples/leveldb/%: EXAMPLE_LIBS = -lleveldb
endef
$(foreach v,$(EXAMPLES_VARIANTS),$(eval $(call examples_rules,$v)))
-include $(wildcard build/*/examples/*/*.d)

.PHONY: examples
examples: ## build and run docs/examples, also under sanitizers, and compare what docs/PORTING.md quotes of it
	@$(SET_UP) examples
	@$(RUN_CHECKS) examples

# ---- The tile server -----------------------------------------------------------------------------------------
# docs/examples/tiles, with its page and its map linked in.

TILES_DIR := docs/examples/tiles
TILES_SRC := $(sort $(wildcard $(TILES_DIR)/*.c))
TILES_FILES := world.svg page.html
# PDF where poppler is there, and not with NO_PDF=1.
$(eval $(call lazy,TILES_PDF,$(if $(NO_PDF),,pkg-config --exists poppler-glib 2>/dev/null && echo poppler-glib || )true))
$(eval $(call lazy,TILES_CFLAGS,pkg-config --cflags librsvg-2.0 libmicrohttpd $$(TILES_PDF)))
$(eval $(call lazy,TILES_LIBS,pkg-config --libs librsvg-2.0 libmicrohttpd $$(TILES_PDF)))
# $(call tiles_rules,VARIANT)
define tiles_rules
build/$1/obj/$(TILES_DIR)/flags: FORCE
	$$(call remember,$$(TILES_CFLAGS))
build/$1/obj/$(TILES_DIR)/%.o: $(TILES_DIR)/%.c build/$1/flags build/$1/obj/$(TILES_DIR)/flags
	@mkdir -p $$(@D)
	$$(CC_$1) $(STANDARD) $(WARNINGS) $(FLAGS_$1) -Iinclude $$(if $$(TILES_PDF),-DTILES_PDF) $$(TILES_CFLAGS) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP -c -o $$@ $$<
build/$1/obj/$(TILES_DIR)/files.o: $(TILES_FILES:%=$(TILES_DIR)/%)
	@mkdir -p $$(@D)
	cd $(TILES_DIR) && $$(LD) -r -b binary -z noexecstack -o $(CURDIR)/$$@ $(TILES_FILES)
build/$1/brim-tiles: $(TILES_SRC:%.c=build/$1/obj/%.o) build/$1/obj/$(TILES_DIR)/files.o build/$1/libbrim.a
	$$(CC_$1) $(FLAGS_$1) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(TILES_LIBS) -lm -pthread
endef
$(foreach v,$(ALL_VARIANTS),$(eval $(call tiles_rules,$v)))
-include $(wildcard build/*/obj/$(TILES_DIR)/*.d)

# Beside the others, for it is not installed.
build/tiles/man1/brim-tiles.1: build/release/brim-tiles $(REFERENCE)
	python3 -B docs/reference/man.py programs build/tiles $<

.PHONY: tiles tiles-run strict-tiles
tiles: ## build the tile server and test it, in a browser too where chromium and its driver are there
	@$(SET_UP) check tiles
	@$(RUN_CHECKS) tiles

tiles-run: ## build the tile server and start it, at http://127.0.0.1:8080/
	@$(SET_UP) tiles
	@$(MAKE) --no-print-directory -j$$(nproc) build/release/brim-tiles
	build/release/brim-tiles

strict-tiles:
	for cc in $(STRICT_CC_gcc) $(STRICT_CC_clang); do for source in $(TILES_SRC); do \
	    $$cc $(STANDARD) $(WARNINGS) -Werror -fsyntax-only -Iinclude $(if $(TILES_PDF),-DTILES_PDF) $(TILES_CFLAGS) \
	    $$source || exit 1; done; done

# ---- Installation -------------------------------------------------------------------------------------------

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
INSTALL ?= install
LDCONFIG ?= ldconfig
$(eval $(call lazy,VERSION,lib/package/version.sh))
CMAKEDIR = $(LIBDIR)/cmake/brim
HEADERS := $(notdir $(wildcard include/*.h include/*.hpp))
# The programs whose libraries are here.
PACKAGES_brim-bench = $(BENCH_PACKAGES)
PACKAGES_brim-render = $(RENDER_PACKAGES)
PACKAGES_brim-top = $(TOP_PACKAGES)
$(eval $(call lazy,PROGRAMS_HERE,$$(foreach p,$$(PROGRAMS), \
    if [ -z "$$(PACKAGES_$$p)" ] || pkg-config --exists $$(PACKAGES_$$p) 2>/dev/null; then echo $$p; \
    else echo "$$p is left out: not all of $$(PACKAGES_$$p) is here" >&2; fi;)))
# The manual pages that can be made: by Python alone, those of the programs from what these say.
MAN_HERE = $(if $(shell command -v python3),build/man/library $(PROGRAMS_HERE:%=build/man/man1/%.1))

# $(call fill,NAME,WHERE): a template of lib/package/, filled in.
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@PREFIX@|$(PREFIX)|' \
    -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
    -e "s|@INCLUDE@|$$(realpath -ms --relative-to='$(CMAKEDIR)' '$(INCLUDEDIR)')|" \
    -e "s|@POINTER_SIZE@|$$($(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -x c /dev/null | sed -n 's/.*__SIZEOF_POINTER__ //p')|" \
    lib/package/$1.in >'$(DESTDIR)$2/$1' && chmod 644 '$(DESTDIR)$2/$1'
# $(call each,SOURCES,WHERE,MODE)
each = $(if $(strip $1),$(INSTALL) -d '$(DESTDIR)$2' && $(INSTALL) -m $3 $1 '$(DESTDIR)$2')

.PHONY: install install-lib uninstall dist deb package abi
install: install-lib ## install all that can be built here, below PREFIX (/usr/local); DESTDIR, LIBDIR: docs/INSTALL.md
	$(if $(PROGRAMS_HERE),@$(MAKE) --no-print-directory $(PROGRAMS_HERE:%=build/release/%))
	$(if $(MAN_HERE),@$(MAKE) --no-print-directory $(MAN_HERE))
	$(call each,$(PROGRAMS_HERE:%=build/release/%),$(BINDIR),755)
	for s in 1 3 7; do set -- build/man/man$$s/*.$$s; \
	    [ ! -e "$$1" ] || $(INSTALL) -D -m 644 -t '$(DESTDIR)$(MANDIR)'/man$$s "$$@" || exit; done
	$(foreach p,$(if $(wildcard bench/completion/brim),$(PROGRAMS_HERE)), \
	    $(INSTALL) -D -m 644 bench/completion/brim '$(DESTDIR)$(COMPLETIONDIR)/$p' &&) true

install-lib: build/release/libbrim.a build/release/libbrim.so ## the same, but only the libraries and what compilers need
	$(call each,build/release/libbrim.a,$(LIBDIR),644)
	$(INSTALL) -m 644 build/release/libbrim.so '$(DESTDIR)$(LIBDIR)/libbrim.so.$(VERSION)'
	ln -sf libbrim.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libbrim.so.0'
	ln -sf libbrim.so.0 '$(DESTDIR)$(LIBDIR)/libbrim.so'
	$(call each,$(HEADERS:%=include/%),$(INCLUDEDIR),644)
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(CMAKEDIR)'
	@$(call fill,brim.pc,$(LIBDIR)/pkgconfig)
	@$(call fill,brim-config.cmake,$(CMAKEDIR))
	@$(call fill,brim-config-version.cmake,$(CMAKEDIR))
	$(if $(DESTDIR),,-@$(LDCONFIG) 2>/dev/null || true)

uninstall: ## remove what `make install' with the same variables has installed
	rm -f $(addprefix '$(DESTDIR)$(LIBDIR)'/,libbrim.a libbrim.so libbrim.so.0 libbrim.so.$(VERSION) pkgconfig/brim.pc) \
	    $(addprefix '$(DESTDIR)$(INCLUDEDIR)'/,$(HEADERS)) \
	    $(foreach p,brim-bench brim-render brim-top,'$(DESTDIR)$(BINDIR)'/$p '$(DESTDIR)$(COMPLETIONDIR)'/$p) \
	    $(foreach m,man1/brim-*.1 man3/brim*.3 man3/BRIM_*.3 man7/brim*.7,'$(DESTDIR)$(MANDIR)'/$m)
	rm -rf '$(DESTDIR)$(CMAKEDIR)'
	$(if $(DESTDIR),,-@$(LDCONFIG) 2>/dev/null || true)

dist: ## pack the sources as build/brim-VERSION.tar.gz
	@lib/package/dist.sh

deb: ## build the Debian packages in build/deb, have lintian look at them, and build programs with them
	@$(SET_UP) run deb
	@lib/package/deb.sh
	@test/package/check.sh deb

package: ## check what is installed, and builds that use Brim, by make, pkg-config, CMake and Meson
	@$(SET_UP) run package
	@PACKAGE_PARTS='blocks installed found plain cmake meson programs broken' $(RUN_CHECKS) package

abi: lib ## compare the ABI of what is built with the last release's
	@$(SET_UP) package
	@lib/package/abi.sh build/release/libbrim.so include

# ---- Targets ------------------------------------------------------------------------------------------------

SET_UP := test/support/setup.sh
RUN_CHECKS := test/support/run_checks.sh
export STRESS_THREADS ?= 4
export STRESS_SECONDS ?= 5
export STRESS_SEED ?= 1
HOURS ?= 0.5
# What `check' has of what takes long; each target by itself has all of it.
FAIR_SAMPLE := LITMUS_SCHEDULES=3000 PLANT_EVERY=8 FUZZ_SECONDS=3 REFUSED_MODES=2 FUZZ_SEQUENCES=50000 \
               SEQUENCES=$(or $(SEQUENCES),500000) \
               TESTS_SAMPLED=yes MUTATION_SAMPLE=15 AGAIN_EVERY=5 LINEAR_OPERATIONS=1000000 STRESS_SECONDS=3
FAIR_SAMPLE += CPP_VARIANTS='gcc20 tsan17' EXAMPLES_IN='asan tsan' TILES_BROWSER=no
export TRACES ?= ../shared/traces

.PHONY: help run check setup peers lib test refused strict static layers exports litmus planted linear fiber cover \
        coverage mutation fuzz stress soak prove instructions report replay top clean

help: ## list the targets
	@sed -n 's/^\([a-z-]\{1,\}\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target text; do printf '%-12s %s\n' "$$target" "$$text"; done
	@echo 'Variables: CC, CFLAGS, VARIANTS="debug asan" (test), STRESS_THREADS, STRESS_SECONDS, STRESS_SEED, HOURS (soak),'
	@echo '  PLANT_RUNS, PLANT_EVERY (planted), FUZZ_SECONDS, FIGURES (prove), TRACES'

run: ## set up, build, draw pages through the cache into build/render, then stress it for five seconds
	@$(SET_UP) run
	@$(MAKE) --no-print-directory -j$$(nproc) release
	build/release/brim-render
	build/release/brim-bench stress --threads 2 --seconds 5 --seed 1
	@echo 'The pictures are in build/render.'

check: ## set up, then everything: warnings, layers, tests, schedules, planted bugs, histories, mutants, stress, fuzz, docs
	@$(SET_UP) check docs tiles package
	@$(FAIR_SAMPLE) $(RUN_CHECKS) strict layers exports test refused litmus planted linear fiber mutation stress render \
	    replay top fuzz cpp examples docs tiles package

setup: ## install what run and check need, where it is missing
	@$(SET_UP) run check docs tiles package

peers: ## install the caches that `brim-bench peers' compares with, and build it with them
	@$(SET_UP) run peers
	@$(MAKE) --no-print-directory build/release/brim-bench

release: ## build the libraries and programs in build/release (the default)
ifeq ($(TOP_SRC),)
release: without-top
.PHONY: without-top
without-top:
	@echo 'brim-top is left out: it needs libncurses-dev and libjansson-dev'
endif
debug: ## the same in build/debug, with assertions
asan: ## the same in build/asan: AddressSanitizer, UndefinedBehaviorSanitizer, a yield at every atomic
tsan: ## the same in build/tsan: ThreadSanitizer, a yield at every atomic

lib: build/release/libbrim.a build/release/libbrim.so ## build only the libraries, in build/release

test: ## build and run the test programs in each of VARIANTS
	@VARIANTS='$(VARIANTS)' $(RUN_CHECKS) test

refused: ## run the tests of sections where the system refuses membarrier(2), from the start and later
	@$(RUN_CHECKS) refused

strict: ## compile every source with gcc and clang, warnings being errors
	@$(RUN_CHECKS) strict

static: ## static analysis: locks, clang's and gcc's analyzers, clang-tidy, cppcheck
	@$(SET_UP) static
	@$(RUN_CHECKS) static

layers: ## check the directions of the includes, and the tests that docs/FEATURES.md names
	@$(RUN_CHECKS) layers

exports: ## check that libbrim.so exports what the headers declare and no more, and that tests make all of it fail
	@$(RUN_CHECKS) exports

litmus: ## run the Relacy harnesses
	@$(RUN_CHECKS) litmus

planted: ## run the Relacy harnesses with every planted bug, PLANT_RUNS times: each must be caught
	@$(RUN_CHECKS) planted

linear: ## check that recorded histories are linearizable, and that planted bugs make some that are not
	@$(RUN_CHECKS) linear

fiber: ## run the harnesses on fibers, in seeded schedules, and with planted bugs: each must be caught
	@$(RUN_CHECKS) fiber
cover: ## both of the next two, also if the first one fails
	@status=0; for part in coverage mutation; do $(MAKE) --no-print-directory $$part || status=1; done; exit $$status

coverage: ## count the branches of lib/ that the tests take: each must be
	@$(SET_UP) check
	@$(RUN_CHECKS) coverage
	@test/coverage/coverage.py $(COVERAGE_VARIANTS)

mutation: ## mutate the branches of the files of test/mutation/tests.txt: a test must fail, or a reason be listed
	@$(SET_UP) check
	@$(MAKE) --no-print-directory -j$$(nproc) programs-mutation
	@test/mutation/mutate.py $(if $(FILES),--files $(FILES))

stress: ## run brim-bench stress under tsan and asan
	@$(RUN_CHECKS) stress

soak: ## half an hour, or HOURS: everything at once in one process, in which memory must stay flat
	@$(SET_UP) run
	@$(MAKE) --no-print-directory build/release/brim-bench
	build/release/brim-bench stress --soak --threads 8 --seconds $$(awk 'BEGIN { print $(HOURS) * 3600 }') --seed $(STRESS_SEED) \
	    --json build/soak.json

prove: ## reach the figures of a release, or those in FIGURES, which takes hours; print them and write docs/PROOF.md
	@$(SET_UP) check static
	@test/proof/prove.sh $(FIGURES)

top: ## check brim-top, the static probes, and the programs' command lines and their completion
	@$(SET_UP) check
	@$(RUN_CHECKS) top

fuzz: ## run each fuzzer for FUZZ_SECONDS (60), or FUZZ_RUNS inputs
	@$(SET_UP) fuzz
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(RUN_CHECKS) fuzz

instructions: ## count the instructions of each operation, in caches of a thousand to ten million entries
	@$(SET_UP) instructions
	@$(MAKE) --no-print-directory build/release/brim-instructions
	@bench/instructions/run.sh

report: ## measure Brim beside its peers, about eight minutes, and write docs/benchmarks
	@$(SET_UP) run report
	@$(MAKE) --no-print-directory -j$$(nproc) release
	@bench/report/report.sh
	@bench/report/page.sh

replay: ## replay the traces in TRACES, if they are there, and print the misses beside other policies
	@$(SET_UP) run replay
	@$(MAKE) --no-print-directory build/release/brim-bench
	@bench/replay/replay.sh

clean: ## remove build/
	rm -rf build
