# SPDX-License-Identifier: BSD-2-Clause
# One makefile for everything. `make` builds, `make demo` shows, `make check` tests: README.md.
# B keeps builds apart: build/plain, build/address,undefined, build/thread, build/points. V=1 shows
# each command. POINTS=1 is for tests/faults alone: named points to stop at (agent/base/point.h).

VERSION := 0.1.0
PREFIX  ?= /usr/local
B       := build/$(or $(if $(COVER),cover),$(if $(POINTS),points$(if $(SANITIZE),-$(SANITIZE))),$(SANITIZE),plain)
SECONDS ?= 60

say     = $(if $(V),,@echo "  $1  $@";)

# --- tools and flags ------------------------------------------------------------------------
# The packager's CFLAGS, CPPFLAGS and LDFLAGS are added to ours, never replaced.
links  = $(shell echo 'int main(void) { return 0; }' | $(CC) -Werror $(filter -fsanitize=%,$(SANFL)) \
                  $1 -xc - -o /dev/null 2>/dev/null && echo $1)
ok     = $(shell $(CC) -Werror $1 -xc -c /dev/null -o /dev/null 2>/dev/null && echo $1)
CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
          -Wmissing-prototypes
# A distribution has its own level of _FORTIFY_SOURCE.
HARD   := -fPIE -fstack-protector-strong $(call ok,-fstack-clash-protection) \
          $(call ok,-fcf-protection) $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,\
          -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# gcc sees ghosts in what the sanitizers put in: these two are judged in the plain build.
# Without the optimiser lines are what they are in the source.
COVFL  := $(if $(COVER),--coverage -fprofile-update=atomic -O0 -D_exit=cover_exit)
SANFL  := $(if $(SANITIZE),-fPIE -fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
          -fno-omit-frame-pointer $(call ok,-Wno-format-truncation) \
          $(call ok,-Wno-maybe-uninitialized))
# gcc's shared runtimes of ASan and UBSan overwrite each other's log_path, which lib.sh sets.
LINK   := $(if $(COVER),--coverage) -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed \
          $(filter -fsanitize=%,$(SANFL)) $(if $(findstring address,$(SANITIZE)),\
          $(call links,-static-libasan -static-libubsan))
PKGS   := libcurl libcrypto libuv jansson expat inih
PKGCFL := $(shell pkg-config --cflags $(PKGS) libmariadb 2>/dev/null || \
                  pkg-config --cflags $(PKGS) mysqlclient 2>/dev/null)
DBLIB  := $(shell pkg-config --libs libmariadb 2>/dev/null || \
                  pkg-config --libs mysqlclient 2>/dev/null)
LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(DBLIB) -lpthread
TOLD   := -DSTILLPOINT_VERSION='"$(VERSION)"' -DSTILLPOINT_LIBEXEC='"$(PREFIX)/libexec/stillpoint"'
DEFS   := -D_GNU_SOURCE $(TOLD) $(if $(POINTS)$(COVER),-DSTILLPOINT_POINTS)
BUILD   = $(CC) -std=c11 -I. $(DEFS) -MMD -MP $(WARN) $(if $(WERROR),-Werror) \
          $(or $(SANFL),$(HARD)) $(PKGCFL) $(CPPFLAGS) $(CFLAGS) $(COVFL)

# --- what there is ----------------------------------------------------------------------------
MAINS   := agent/daemon/main.c agent/guard/guard_main.c agent/hookrun/hookrun_main.c \
           agent/cli/cli_main.c
SOURCES := $(wildcard agent/*/*.c hooks/*.c aws/*.c)
objs     = $(patsubst %.c,$B/%.o,$1)
COVERO  := $(if $(COVER),$B/tests/cover/cover_exit.o)
COMMON  := $(COVERO) $(call objs,$(filter-out $(MAINS),$(filter-out agent/guard/% agent/hookrun/%,$(SOURCES))))
GUARD   := $(call objs,$(filter-out $(MAINS),$(wildcard agent/guard/*.c)))
HOOKRUN := $(call objs,$(filter-out $(MAINS),$(wildcard agent/hookrun/*.c)))
PROGRAMS := $B/stillpoint $B/stillpointd $B/stillpoint-guard $B/stillpoint-hook
UNIT    := $(patsubst tests/unit/%.c,$B/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNITAID := $(call objs,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))
LABC    := $(patsubst %.c,$B/%,$(wildcard tests/lab/*.c tests/guard/*.c tests/servers/*.c tests/vm/*.c))
CORPUS  := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHC  := $(patsubst %.c,$B/%,$(wildcard tests/bench/*.c))
CHECKS  := check-unit check-guard check-lab check-whole check-servers check-corpus check-faults check-thread \
           check-packages check-vm

.PHONY: all demo check $(CHECKS) soak cover bench lint format fuzz install install-kaltura deb rpm machine \
        clean setup programs-for-tests points
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(BUILD) -c $< -o $@

# With another VERSION or PREFIX than before, what has them in it is compiled anew.
ifneq ($(shell cat $B/told 2>/dev/null),$(subst ',,$(TOLD)))
.PHONY: $B/told
endif
$B/told:
	@mkdir -p $(@D)
	@echo $(TOLD) >$@
$(call objs,$(shell grep -lE 'STILLPOINT_(VERSION|LIBEXEC)' $(SOURCES))): $B/told

$B/libstillpoint.a: $(COMMON)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

# The guard and the hook runner link libc alone; of what the others have they share these (point is
# empty but for POINTS=1).
$B/libguard.a: $(GUARD) $(HOOKRUN) $(patsubst %,$B/agent/base/%.o,clock comment point) $(COVERO)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$B/stillpointd: $B/agent/daemon/main.o $B/libstillpoint.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
$B/stillpoint: $B/agent/cli/cli_main.o $B/libstillpoint.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
$B/stillpoint-guard: $B/agent/guard/guard_main.o $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ -lpthread
$B/stillpoint-hook: $B/agent/hookrun/hookrun_main.o $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@

$B/tests/unit/test_%: $B/tests/unit/test_%.o $(UNITAID) $B/libstillpoint.a $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS) -lssl -lcmocka
$B/tests/lab/%: $B/tests/lab/%.o $B/libstillpoint.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
$B/tests/servers/%: $B/tests/servers/%.o $B/libstillpoint.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
$B/tests/guard/%: $B/tests/guard/%.o $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ -lcmocka -lpthread
# The copy session's tests speak to it as the daemon does.
$B/tests/guard/test_copy_%: $B/tests/guard/test_copy_%.o $B/libstillpoint.a $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS) -lcmocka
$B/tests/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -std=c11 -shared -fPIC -D_GNU_SOURCE $(WARN) $(CFLAGS) $< -o $@
# The machine lab's: without our library, and the runner without any, since it goes into the machine.
$B/tests/vm/%: tests/vm/%.c
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(if $(WERROR),-Werror) $(CPPFLAGS) $(CFLAGS) -static $< -o $@
# The peers of make bench, with none of our code in them.
$B/tests/bench/%: $B/tests/bench/%.o
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
# A fuzz target twice: over its corpus as a plain test, and (fuzz.sh, with clang) for libFuzzer.
$B/tests/fuzz/fuzz_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/corpus_main.o $B/libstillpoint.a $B/libguard.a
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)
$B/fuzzer/fuzz_%: $B/tests/fuzz/fuzz_%.o $B/libstillpoint.a $B/libguard.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS)

-include $(shell find $B -name '*.d' 2>/dev/null)

# --- tests ------------------------------------------------------------------------------------
# One place lists the packages: tests/packages.sh installs what is missing.
setup:
	@bash tests/packages.sh

FAULTSO := $B/tests/faults/clock_step.so
programs-for-tests: all $(UNIT) $(LABC) $(CORPUS) $(FAULTSO)
# Of these, what a part of the tests needs that does not need all.
for-unit   := all $(UNIT)
for-guard  := all $(filter $B/tests/guard/%,$(LABC))
for-corpus := $(CORPUS)
for-thread := all $(UNIT) $(filter $B/tests/lab/%,$(LABC))

# What the fault matrix runs, beside the programs that everything else is tested with.
points:
	@$(MAKE) --no-print-directory WERROR=1 POINTS=1 -j2 all build/points/tests/lab/writer \
	    build/points/tests/faults/clock_step.so

# What the machine lab boots from: kept in build/vm, made anew when what it is made of has changed.
machine: deb $B/tests/vm/runner
	@BUILD=$B bash tests/vm/root.sh >/dev/null

demo: setup
	@$(MAKE) --no-print-directory -j2 all $(LABC) && BUILD=$B bash tests/lab/demo.sh
check: setup
	@$(MAKE) --no-print-directory WERROR=1 -j2 programs-for-tests \
	    $(if $(SANITIZE),,&& $(MAKE) --no-print-directory points machine) && BUILD=$B bash tests/run.sh all
build-%: setup
	@$(MAKE) --no-print-directory WERROR=1 -j2 $(or $(for-$*),programs-for-tests)
$(CHECKS): check-%: build-%
	$(if $(filter faults,$*),@$(MAKE) --no-print-directory points)
	$(if $(filter vm,$*),@$(MAKE) --no-print-directory machine)
	@BUILD=$B bash tests/run.sh $*
soak: setup
	@$(MAKE) --no-print-directory points && bash tests/faults/soak.sh --seconds $(SECONDS)
cover: setup
	@$(MAKE) --no-print-directory COVER=1 -j2 programs-for-tests && \
	    BUILD=build/cover bash tests/cover/cover.sh
bench: setup
	@bash tests/packages.sh bench
	@$(MAKE) --no-print-directory -j2 all $(LABC) $(BENCHC) && BUILD=$B bash tests/bench/bench.sh
lint: setup
	@$(MAKE) --no-print-directory -j2 all && BUILD=$B bash tests/lint/lint.sh
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# --- fuzzing ----------------------------------------------------------------------------------
fuzz: setup
	@BUILD=$B SECONDS_EACH=$(SECONDS) bash tests/fuzz/fuzz.sh

# --- installing -------------------------------------------------------------------------------
# What others land in packaging/ is taken along by its place. HOOKS: whose package manager's hooks.
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
HOOKS   ?= $(if $(wildcard /etc/apt),apt) $(if $(wildcard /etc/dnf),dnf)
# Where dnf looks for plugins: below the Python that it runs with, which on RHEL 8 is not python3.
PYSITE  ?= $(shell for p in /usr/libexec/platform-python /usr/bin/python3; do [ ! -x $$p ] || exec $$p -c \
             'import sys; print("/usr/lib/python%d.%d/site-packages" % sys.version_info[:2])'; done)
TO      := $(DESTDIR)$(PREFIX)
KALTURA_DESTDIR ?= $(DESTDIR)
# Refused before anything is written: what the shell would take apart, or sed.
hash    := \#
strange := ' " ` \ & | ; < > ( ) * ? [ ] { } ! % $$ $(hash)
odd     = $(filter-out 1,$(words x$1x)) $(filter ~%,$1) $(foreach c,$(strange),$(findstring $c,$1))
sound   = $(if $(strip $(call odd,$($1))), \
          $(error $1="$($1)": a path with blanks or signs of the shell can not be installed to))
rooted  = $(if $(filter /%,$($1)),,$(error $1="$($1)": name an absolute path, as $1=/usr))
checked := $(foreach n,PREFIX DESTDIR KALTURA_DESTDIR UNITDIR ZSHDIR,$(call sound,$n)) \
           $(foreach n,PREFIX UNITDIR ZSHDIR,$(call rooted,$n))
put      = $(if $(strip $2),install -d $3 && install -m $1 $2 $3/)
put_tree = [ ! -d packaging/$1 ] || (cd packaging/$1 && find . -type f) | \
           while read -r f; do install -D -m "$$(case $$f in *.sh) echo 755 ;; *) echo 644 ;; esac)" \
           "packaging/$1/$$f" "$2/$$f" || exit; done

# The programs are named as the packages have them: in the files $1, which were just put into $2.
at_prefix = $(if $(strip $1),sed -i 's;/usr/\(s\?bin\|libexec\)/stillpoint;$(PREFIX)/\1/stillpoint;g' \
            $(addprefix $2/,$(notdir $1)))
put_hook  = $(call put,644,$1,$2)$(if $(strip $1), && $(call at_prefix,$1,$2))

install: all
	$(call put,755,$B/stillpoint,$(TO)/bin)
	$(call put,755,$B/stillpointd,$(TO)/sbin)
	$(call put,755,$B/stillpoint-guard $B/stillpoint-hook $(wildcard packaging/libexec/*),$(TO)/libexec/stillpoint)
	install -d $(DESTDIR)/etc/stillpoint/conf.d $(DESTDIR)/etc/stillpoint/hooks.d
	for f in conf.d/*.conf; do \
	    [ -e $(DESTDIR)/etc/stillpoint/$$f ] || install -m 644 $$f $(DESTDIR)/etc/stillpoint/$$f; done
	for f in packaging/man/*.[1-8]; do \
	    install -D -m 644 $$f $(TO)/share/man/man$${f##*.}/$${f##*/} || exit; done
	$(call put_tree,systemd,$(DESTDIR)$(UNITDIR))
	$(call at_prefix,$(wildcard packaging/systemd/*.service),$(DESTDIR)$(UNITDIR))
	$(call put_tree,sysusers.d,$(TO)/lib/sysusers.d)
	$(call put_tree,tmpfiles.d,$(TO)/lib/tmpfiles.d)
	$(call put_tree,preset,$(TO)/lib/systemd/system-preset)
	for f in packaging/completion/*.bash; do [ ! -e $$f ] || \
	    install -D -m 644 $$f $(TO)/share/bash-completion/completions/$$(basename $$f .bash); done
	$(call put,644,$(wildcard packaging/completion/_*),$(DESTDIR)$(ZSHDIR))
	$(call put_tree,ami,$(TO)/share/stillpoint/ami)
	$(call put_tree,monitoring,$(TO)/share/stillpoint/monitoring)
	$(call put_tree,ssm,$(TO)/share/stillpoint/ssm)
	$(if $(filter apt,$(HOOKS)),$(call put_hook,$(wildcard packaging/apt/*),$(DESTDIR)/etc/apt/apt.conf.d))
	$(if $(filter dnf,$(if $(PYSITE),$(HOOKS))),$(call \
	    put_hook,$(wildcard packaging/dnf/*.py),$(DESTDIR)$(PYSITE)/dnf-plugins))

# Apart, since it is a package of its own: a node without Kaltura does not need it.
install-kaltura:
	install -d $(KALTURA_DESTDIR)/etc/stillpoint/conf.d
	cd packaging/kaltura && for f in conf.d/*.conf; do to=$(abspath $(KALTURA_DESTDIR)/etc/stillpoint)/$$f; \
	    [ -e $$to ] || install -m 644 $$f $$to || exit; done
	$(call put,755,$(wildcard packaging/kaltura/hooks.d/*),$(KALTURA_DESTDIR)/etc/stillpoint/hooks.d)

# --- packages ---------------------------------------------------------------------------------
# Into build/deb and build/rpm; the same bytes for the same sources. PKG_VERSION=0.1.0~1 names another
# version (tests upgrade from it).
PKG_VERSION ?= $(VERSION)
deb rpm: setup
	@PKG_VERSION='$(PKG_VERSION)' bash packaging/build-$@.sh

clean:
	rm -rf build/plain build/deb build/rpm build/points* build/address* build/undefined* build/thread build/fuzz
