# memforensics: GNU make, no configure step. `make help` lists the targets.
#
# Yours to set: CC CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR O V WERROR SANITIZE
# WITH_YARA (no: scan --yara says that it cannot; default: where libyara is)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

NAME	:= memforensics
VERSION	:= 0.1.0
PREFIX	?= /usr/local
BINDIR	?= $(PREFIX)/bin
DATADIR	?= $(PREFIX)/share
MANDIR	?= $(DATADIR)/man
BASHDIR	?= $(DATADIR)/bash-completion/completions
ZSHDIR	?= $(DATADIR)/zsh/site-functions
CFLAGS	?= -O2 -g
ifeq ($(origin CC),default)
CC	:= gcc
endif

# SANITIZE=address,undefined builds beside the plain build.
comma	:= ,
O	?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

PKG_CONFIG ?= pkg-config
WITH_YARA ?= $(shell $(PKG_CONFIG) --exists yara 2>/dev/null && echo yes)
PKGS	:= libdw libelf libunwind-ptrace jansson libzstd zlib libpcre2-8 \
	ncursesw readline \
	$(if $(filter yes,$(WITH_YARA)),yara)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
ifeq ($(PKG_LIBS),)
PKG_LIBS := -ldw -lelf -lunwind-ptrace -lunwind-generic -ljansson -lzstd -lz -lpcre2-8 \
	-lncursesw -ltinfo -lreadline \
	$(if $(filter yes,$(WITH_YARA)),-lyara)
HINT	:= pkg-config does not find $(PKGS): contrib/deps build installs them
endif

MF_CPPFLAGS := -D_GNU_SOURCE -DMF_VERSION='"$(VERSION)"' -Iinclude -Isrc \
	$(if $(filter yes,$(WITH_YARA)),-DMF_WITH_YARA)
MF_CFLAGS := -std=gnu17 -fno-common -pthread \
	-Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wcast-qual \
	-Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition
ifneq ($(WERROR),)
MF_CFLAGS += -Werror
endif
ifneq ($(SANITIZE),)
MF_SANITIZE := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
	-fno-sanitize-recover=all
endif
COMPILE	= $(CC) $(MF_CPPFLAGS) $(PKG_CFLAGS) $(CPPFLAGS) $(MF_CFLAGS) \
	  $(MF_SANITIZE) $(CFLAGS)
LINK	= $(CC) -pthread $(MF_SANITIZE) $(CFLAGS) $(LDFLAGS)
# libunwind's part for programs that look at themselves would take the place of
# the compiler's own.
LIBS	= $(filter-out -lunwind,$(PKG_LIBS)) -liberty -lm

ifeq ($(V),)
Q	:= @
say	= @printf '  %-7s %s\n' '$(1)' '$(2)';
else
Q	:=
say	:=
endif

SOURCES	:= $(wildcard src/*/*.c)
OBJECTS	:= $(SOURCES:%.c=$(O)/%.o)
MAIN	:= $(O)/src/main.o
LIBRARY	:= $(O)/lib$(NAME).a
PROGRAM	:= $(O)/$(NAME)
UNITS	:= $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
DRIVERS	:= $(patsubst %.c,$(O)/%,$(wildcard tests/drivers/*.c))
FIXTURES := $(patsubst fixtures/programs/%.c,$(O)/fixtures/%,\
	$(wildcard fixtures/programs/*.c))
PRELOADS := $(patsubst fixtures/preload/%.c,$(O)/fixtures/%.so,\
	$(wildcard fixtures/preload/*.c))

# Rust's are the same for every build of ours, and take long: they are shared.
RUST	:= build/rust

# Some of them with libc inside, where there is one to link; then stripped, too.
ifneq ($(findstring /,$(shell $(CC) -print-file-name=libc.a)),)
FIXTURES += $(addprefix $(O)/fixtures/,static-bins static-arenas \
	static-mainheap static-cached static-namespaces static-pie-bins \
	static-pie-frames stripped-frames \
	stripped-bins)
endif

# Programs in C++, where there is a compiler for them: what is known of types
# must be found in each of these.
CXX_FIXTURES :=
ifneq ($(shell command -v g++),)
CXX_FIXTURES += objects objects-stripped objects-fixed objects-nortti \
	objects-bare containers owners retained
ifneq ($(findstring /,$(shell g++ -print-file-name=libstdc++.a)),)
CXX_FIXTURES += objects-static
endif
endif
# LLVM's library: installed, or what contrib/deps has unpacked of it.
ifneq ($(wildcard /usr/include/c++/v1/vector \
	/usr/lib/llvm*/include/c++/v1/vector),)
LIBCXX	:= -stdlib=libc++
else
LIBCXX	:= $(firstword $(wildcard build/deps/usr/lib/llvm*/include/c++/v1))
LIBCXX	:= $(LIBCXX:%=-nostdinc++ -isystem % -nostdlib++ -l:libc++.so.1 \
	-l:libc++abi.so.1)
endif
ifneq ($(and $(shell command -v clang++),$(LIBCXX)),)
CXX_FIXTURES += objects-libcxx containers-libcxx
endif
# What knows its leaks, for LeakSanitizer to say the same, where there is one.
LEAK_CHECKED :=
ifneq ($(findstring /,$(shell gcc -print-file-name=liblsan.so 2>/dev/null)),)
LEAK_CHECKED += lost tangled
endif
ifneq ($(findstring /,$(shell g++ -print-file-name=liblsan.so 2>/dev/null)),)
CXX_FIXTURES += owners-sanitized
endif
FIXTURES += $(LEAK_CHECKED:%=$(O)/fixtures/%-sanitized)
FIXTURES += $(CXX_FIXTURES:%=$(O)/fixtures/%)

.PHONY: all
all: $(PROGRAM)

# New flags rebuild: the stamp changes only when the command does.
FLAGS	:= $(O)/flags
.PHONY: force
$(FLAGS): force
	@mkdir -p $(@D)
	@$(if $(HINT),echo '$(HINT)' >&2,:)
	@printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK))' | \
		cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK))' > $@

$(O)/src/%.o: src/%.c $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(COMPILE) -MMD -MP -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(call say,AR,$@) ar rcs $@ $^

$(PROGRAM): $(MAIN) $(LIBRARY)
	$(call say,LINK,$@) $(LINK) -o $@ $^ $(LIBS)

$(O)/tests/%: tests/unit/%.c $(LIBRARY) $(FLAGS)
	@mkdir -p $(@D)
	$(call say,TEST,$@) $(COMPILE) -Itests/unit -MMD -MP -MF $@.d -o $@ $< \
		$(LIBRARY) $(LIBS) -lcmocka

# Fuzzers: with libFuzzer where FUZZER says so (make fuzz), else with a main()
# that replays files. Some read processes, which have an image of their own.
FUZZ	:= $(O)/fuzz
FUZZERS	:= $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROCESS := $(addprefix $(FUZZ)/,heap_run.o process.o mutate.o \
	forged_image.o)
FUZZ_SECONDS ?= 60

$(FUZZ)/%.o: tests/fuzz/%.c $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(COMPILE) -MMD -MP -c -o $@ $<

$(addprefix $(FUZZ)/fuzz_,glibc recognise scan): $(FUZZ_PROCESS)
$(FUZZERS): $(FUZZ)/%: $(FUZZ)/%.o $(if $(FUZZER),,$(FUZZ)/replay.o) $(LIBRARY)
	$(call say,LINK,$@) $(LINK) $(if $(FUZZER),-fsanitize=fuzzer) -o $@ \
		$(filter %.o,$^) $(LIBRARY) $(LIBS)

# What makes seeds for them: of live processes, and of forged ones.
SEEDERS	:= $(addprefix $(FUZZ)/,seed capture forge forge_jemalloc)
WRAPPED	:= mf_target_read_pages mf_target_try_read mf_target_read_u64 \
	mf_target_read_u32 mf_image_find_symbol mf_image_find_symbols \
	mf_image_has_section mf_image_find_bytes mf_image_tls_slots \
	mf_image_tls_size mf_image_struct_layout
$(FUZZ)/capture: $(FUZZ)/capture.o $(LIBRARY)
	$(call say,LINK,$@) $(LINK) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

$(FUZZ)/forge.o: MF_CPPFLAGS += -Itests/unit
$(FUZZ)/forge: $(FUZZ)/forge.o $(LIBRARY)
	$(call say,LINK,$@) $(LINK) -o $@ $^ $(LIBS) -lcmocka

$(FUZZ)/forge_jemalloc: $(FUZZ)/forge_jemalloc.o
	$(call say,LINK,$@) $(LINK) -o $@ $^

$(FUZZ)/seed: tests/fuzz/seed.c
	@mkdir -p $(@D)
	$(call say,SEED,$@) $(CC) -std=gnu17 -D_GNU_SOURCE -O0 -g -Wall -Wextra \
		-Ifixtures/programs -pthread -o $@ $<

$(O)/tests/drivers/%: tests/drivers/%.c $(LIBRARY) $(FLAGS)
	@mkdir -p $(@D)
	$(call say,DRIVER,$@) $(COMPILE) -MMD -MP -MF $@.d -o $@ $< \
		$(LIBRARY) $(LIBS)

# Victims are never sanitized or optimised: what they allocate is what is seen.
FIXTURE_FLAGS = -std=gnu17 -D_GNU_SOURCE -O0 -g -Wall -Wextra \
	  $(if $(WERROR),-Werror) -pthread -MMD -MP -MF $@.d
FIXTURE	= $(CC) $(FIXTURE_FLAGS)
$(O)/fixtures/%: fixtures/programs/%.c
	@mkdir -p $(@D)
	$(call say,FIXTURE,$@) $(FIXTURE) -o $@ $<

# The linker warns of dlopen, which is what the program is about.
$(O)/fixtures/static-%: fixtures/programs/%.c
	@mkdir -p $(@D)
	$(call say,FIXTURE,$@) $(FIXTURE) -static -DFX_STATIC -o $@ $< 2>$@.said || \
		{ cat $@.said; false; }

$(O)/fixtures/static-pie-%: fixtures/programs/%.c
	@mkdir -p $(@D)
	$(call say,FIXTURE,$@) $(FIXTURE) -static-pie -DFX_STATIC -o $@ $<

$(O)/fixtures/stripped-%: $(O)/fixtures/static-%
	$(call say,FIXTURE,$@) strip -o $@ $<

$(O)/fixtures/%-sanitized: fixtures/programs/%.c
	@mkdir -p $(@D)
	$(call say,FIXTURE,$@) gcc $(FIXTURE_FLAGS) -DFX_SANITIZED \
		-fsanitize=leak -o $@ $<

CXX_FLAGS = -std=c++17 -O0 -g -Wall -Wextra -pthread
define cxx_fixture # NAME, COMPILER AND FLAGS
$(O)/fixtures/$(1): fixtures/programs/$(firstword $(subst -, ,$(1))).cc
	@mkdir -p $$(@D)
	$$(call say,FIXTURE,$$@) $(2) $$(CXX_FLAGS) -o $$@ $$<
endef
$(eval $(call cxx_fixture,objects,g++))
$(eval $(call cxx_fixture,objects-fixed,g++ -no-pie -fno-pie -s))
$(eval $(call cxx_fixture,objects-nortti,g++ -fno-rtti))
$(eval $(call cxx_fixture,objects-bare,g++ -fno-rtti -s))
$(eval $(call cxx_fixture,objects-static,g++ -static -s))
$(eval $(call cxx_fixture,objects-libcxx,clang++ $(LIBCXX) -s))
$(eval $(call cxx_fixture,containers,g++))
$(eval $(call cxx_fixture,retained,g++))
$(eval $(call cxx_fixture,owners,g++))
$(eval $(call cxx_fixture,owners-sanitized,g++ -fsanitize=leak))
$(eval $(call cxx_fixture,containers-libcxx,clang++ $(LIBCXX)))
$(O)/fixtures/objects-stripped: $(O)/fixtures/objects
	$(call say,FIXTURE,$@) strip -o $@ $<

$(O)/fixtures/%.so: fixtures/preload/%.c
	@mkdir -p $(@D)
	$(call say,FIXTURE,$@) $(CC) -std=gnu17 -D_GNU_SOURCE -O1 -g -Wall \
		-Wextra $(if $(WERROR),-Werror) -shared -fPIC -MMD -MP -MF $@.d -o $@ $<

# Nothing where there is no Rust, or no Tokio.
$(RUST)/stamp: $(wildcard fixtures/programs/rust/* fixtures/programs/tokio/* \
		fixtures/programs/tokio/src/*)
	$(call say,FIXTURE,$(RUST)) fixtures/programs/rust/build $(RUST)
	$(Q)fixtures/programs/tokio/build $(RUST)
	$(Q)touch $@

# What is made from the command table: the man page and the completions.
GENERATED := $(O)/$(NAME).1 $(O)/$(NAME).bash $(O)/_$(NAME)
$(O)/$(NAME).1: FORM := man
$(O)/$(NAME).bash: FORM := bash
$(O)/_$(NAME): FORM := zsh
$(GENERATED): $(PROGRAM) $(wildcard contrib/man/*)
	$(call say,GEN,$@) $(PROGRAM) --generate $(FORM) > $@

.PHONY: fixtures units fuzzers seeders generated
fuzzers: $(FUZZERS)
seeders: $(SEEDERS)
fixtures: $(FIXTURES) $(PRELOADS) $(RUST)/stamp
units: $(UNITS) $(DRIVERS)
generated: $(GENERATED)

# Targets that install what they need first, then look at the tree anew, with
# all processors unless -j was given.
AGAIN	= --no-print-directory \
	  $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
.PHONY: check demo bench soak lint format fuzz
check:
	$(Q)contrib/deps build check
	$(Q)$(MAKE) $(AGAIN) all units fuzzers fixtures
	$(Q)O='$(O)' tests/run unit fuzz cli tui

demo:
	$(Q)contrib/deps build
	$(Q)$(MAKE) $(AGAIN) all $(O)/fixtures/leaky
	$(Q)contrib/demo/run $(PROGRAM) $(O)/fixtures/leaky

bench:
	$(Q)contrib/deps build bench
	$(Q)$(MAKE) $(AGAIN) all fixtures
	$(Q)O='$(O)' contrib/bench/run

# ROUNDS of each part; PARTS of those that tests/cli/soak --list tells of.
ROUNDS	?= 1000
soak:
	$(Q)contrib/deps build check
	$(Q)$(MAKE) $(AGAIN) all fixtures
	$(Q)O='$(O)' tests/cli/soak --rounds $(ROUNDS) $(if $(SEED),--seed \
		$(SEED)) $(PARTS)

# libFuzzer comes with clang; what it finds stays in $(FUZZED).
FUZZED	:= build-fuzz
fuzz:
	$(Q)$(MAKE) $(AGAIN) CC=clang O=$(FUZZED) FUZZER=1 \
		CFLAGS='-O2 -g -fno-sanitize-coverage=trace-cmp' \
		SANITIZE=address,undefined,fuzzer-no-link fuzzers
	$(Q)O=$(FUZZED) SECONDS_EACH=$(FUZZ_SECONDS) tests/fuzz/run

lint:
	$(Q)contrib/deps build lint
	$(Q)$(MAKE) $(AGAIN) all
	$(Q)O='$(O)' .ci/lint

format:
	$(Q)git ls-files -co --exclude-standard '*.[ch]' | \
		xargs -r clang-format -i

.PHONY: install uninstall dist clean help
install: $(PROGRAM) $(GENERATED)
	install -Dm755 $(PROGRAM) '$(DESTDIR)$(BINDIR)/$(NAME)'
	install -Dm644 $(O)/$(NAME).1 '$(DESTDIR)$(MANDIR)/man1/$(NAME).1'
	install -Dm644 $(O)/$(NAME).bash '$(DESTDIR)$(BASHDIR)/$(NAME)'
	install -Dm644 $(O)/_$(NAME) '$(DESTDIR)$(ZSHDIR)/_$(NAME)'

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/$(NAME)' \
		'$(DESTDIR)$(MANDIR)/man1/$(NAME).1' \
		'$(DESTDIR)$(BASHDIR)/$(NAME)' '$(DESTDIR)$(ZSHDIR)/_$(NAME)'

DIST	:= $(NAME)-$(VERSION)
dist:
	@mkdir -p $(O)
	$(call say,DIST,$(O)/$(DIST).tar.xz) git archive --prefix=$(DIST)/ \
		-o $(O)/$(DIST).tar HEAD && xz -f $(O)/$(DIST).tar

clean:
	rm -rf build build-*

help:
	@printf '%s\n' \
	'all        the program, $(PROGRAM) (default)' \
	'check      build, then all tests' \
	'demo       build, then find the leak of a small program' \
	'bench      measure against gdb and gcore' \
	'soak       ROUNDS=1000 looks at processes under load, each way' \
	'fuzz       each fuzzer for FUZZ_SECONDS=60 (needs clang)' \
	'lint       the style and the static checks' \
	'format     clang-format over all sources' \
	'install    to DESTDIR and PREFIX ($(PREFIX)); uninstall' \
	'dist       $(DIST).tar.xz of HEAD' \
	'clean      remove the build folders' \
	'' \
	'Yours to set: CC CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR O=FOLDER V=1' \
	'WERROR=1 SANITIZE=address,undefined WITH_YARA=no'

-include $(OBJECTS:.o=.d) $(MAIN:.o=.d) $(UNITS:=.d) \
	$(filter-out $(O)/fixtures/stripped-% $(O)/fixtures/objects% \
		$(O)/fixtures/containers% $(O)/fixtures/owners% \
		$(O)/fixtures/retained%, \
		$(FIXTURES:=.d)) \
	$(DRIVERS:=.d) $(PRELOADS:=.d) $(wildcard $(FUZZ)/*.d)
