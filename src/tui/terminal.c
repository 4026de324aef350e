/*
 * Knows curses, colours and signals. Whatever ends the program gives the
 * terminal back: an ending signal by way of the loop that polls, a fault from
 * within its handler, with nothing but tcsetattr() and write().
 */
#include "tui/terminal.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"

enum {
	RESTORE_MOST = 256,
	FAULT_STACK = 1 << 15,
	ESCAPE_MS = 25, /* that the rest of a key's sequence is waited for */
};

/* Handlers have nowhere else to look. */
static struct {
	SCREEN *screen;
	struct termios before;
	char restore[RESTORE_MOST]; /* what makes a terminal plain again */
	size_t restore_size;
	int signals[2]; /* a pipe */
	volatile sig_atomic_t ending, suspending, resized;
	bool color, utf8;
	int pairs; /* colours: 0, 8 or 256 */
} terminal = { .signals = { -1, -1 } };

/* ---- looks ------------------------------------------------------------------- */

/* Foregrounds; -1: the terminal's own. */
static const struct {
	attr_t plain; /* without colours */
	attr_t bold;  /* and with them */
	short few, many;
} looks[MF_TINTS] = {
	[MF_TINT_PLAIN] = { 0, 0, -1, -1 },
	[MF_TINT_TITLE] = { A_BOLD, A_BOLD, -1, -1 },
	[MF_TINT_DIM] = { 0, 0, -1, 245 },
	[MF_TINT_BAR] = { 0, 0, COLOR_CYAN, 37 },
	[MF_TINT_INFO] = { 0, 0, COLOR_GREEN, 71 },
	[MF_TINT_WARNING] = { A_BOLD, A_BOLD, COLOR_YELLOW, 214 },
	[MF_TINT_CRITICAL] = { A_BOLD, A_BOLD, COLOR_RED, 203 },
	[MF_TINT_KEY] = { A_BOLD, A_BOLD, COLOR_CYAN, 44 },
	[MF_TINT_HEAD] = { A_REVERSE, A_REVERSE, -1, -1 },
	[MF_TINT_TAB] = { A_BOLD, A_BOLD, -1, -1 },
	[MF_TINT_CURSOR] = { A_REVERSE, A_REVERSE, -1, -1 },
	[MF_TINT_TAGGED] = { A_BOLD, A_BOLD, COLOR_YELLOW, 220 },
	[MF_TINT_FOUND] = { A_UNDERLINE, A_UNDERLINE, -1, -1 },
	[MF_TINT_POINTER] = { A_UNDERLINE, 0, COLOR_CYAN, 80 },
	[MF_TINT_BORDER] = { A_BOLD, A_BOLD, COLOR_YELLOW, 178 },
	[MF_TINT_ABSENT] = { A_DIM, A_DIM, -1, 240 },
	[MF_TINT_IN_USE] = { 0, 0, COLOR_BLUE, 68 },
	[MF_TINT_FREE] = { 0, 0, COLOR_GREEN, 71 },
	[MF_TINT_RETURNED] = { A_DIM, 0, -1, 240 },
	[MF_TINT_CACHED] = { 0, 0, COLOR_MAGENTA, 133 },
	[MF_TINT_TOP] = { 0, 0, COLOR_CYAN, 37 },
	[MF_TINT_PINNED] = { A_BOLD, A_BOLD, COLOR_RED, 203 },
};

static attr_t attribute(enum mf_tint tint)
{
	if (!terminal.pairs)
		return looks[tint].plain;
	return looks[tint].bold | (attr_t)COLOR_PAIR((int)tint + 1);
}

static void make_colors(void)
{
	terminal.pairs = 0;
	if (!terminal.color || !has_colors() || start_color() != OK)
		return;
	use_default_colors();
	if (COLORS < 8 || COLOR_PAIRS <= MF_TINTS)
		return;
	terminal.pairs = COLORS >= 256 ? 256 : 8;
	for (int tint = 0; tint < MF_TINTS; tint++)
		init_pair((short)(tint + 1),
			  terminal.pairs == 256 ? looks[tint].many
						: looks[tint].few,
			  -1);
}

/* ---- signals ------------------------------------------------------------------- */

static const int faults[] = { SIGSEGV, SIGBUS,	SIGFPE, SIGILL,
			      SIGABRT, SIGQUIT, SIGSYS, SIGTRAP };

/* Whatever else ends a program that does not expect it. */
static const int endings[] = { SIGINT,	SIGTERM,   SIGHUP,  SIGPIPE,
			       SIGUSR1, SIGUSR2,   SIGALRM, SIGXCPU,
			       SIGPROF, SIGVTALRM, SIGIO,   SIGPWR };

static struct {
	struct sigaction faults[MF_ARRAY_SIZE(faults)];
	struct sigaction endings[MF_ARRAY_SIZE(endings)];
	struct sigaction suspension, resizing;
} before_us;

/* Else it is the shell's: to write to it would stop us, or spoil its line.
 * Async-signal-safe. */
static bool is_ours(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group < 0 || group == getpgrp();
}

/* Ended from the shell, which has the terminal. */
static bool is_gone(void)
{
	return terminal.ending && !is_ours();
}

/* Async-signal-safe. */
static void restore_plainly(void)
{
	ssize_t written;

	if (!is_ours())
		return;
	written = write(STDOUT_FILENO, terminal.restore, terminal.restore_size);
	(void)written;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
}

static void handle_fault(int number)
{
	restore_plainly();
	/* SA_RESETHAND: this time it ends us */
	raise(number);
}

static void handle(int number)
{
	int before = errno;
	ssize_t written;

	if (number == SIGTSTP)
		terminal.suspending = 1;
	else if (number == SIGWINCH)
		terminal.resized = 1;
	else
		terminal.ending = number;
	written = write(terminal.signals[1], "", 1);
	(void)written;
	errno = before;
}

/* BEFORE: what was there; NULL: nobody asks. */
static void set_handler(int number, void (*handler)(int), int flags,
			struct sigaction *before)
{
	struct sigaction action = { .sa_flags = flags };

	action.sa_handler = handler;
	sigemptyset(&action.sa_mask);
	sigaction(number, &action, before);
}

/* What whoever started us has us ignore stays ignored. */
static void set_ending(size_t i)
{
	set_handler(endings[i], handle, 0, &before_us.endings[i]);
	if (before_us.endings[i].sa_handler == SIG_IGN)
		sigaction(endings[i], &before_us.endings[i], NULL);
}

static void set_handlers(void)
{
	static char stack[FAULT_STACK];
	const stack_t alternative = { .ss_sp = stack,
				      .ss_size = sizeof(stack) };

	sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < MF_ARRAY_SIZE(faults); i++)
		set_handler(faults[i], handle_fault,
			    (int)SA_RESETHAND | SA_ONSTACK | SA_NODEFER,
			    &before_us.faults[i]);
	for (size_t i = 0; i < MF_ARRAY_SIZE(endings); i++)
		set_ending(i);
	set_handler(SIGTSTP, handle, 0, &before_us.suspension);
	/* not that of curses, whose flag does not end our wait: what comes
	 * between its last look and poll() would stay unseen */
	set_handler(SIGWINCH, handle, 0, &before_us.resizing);
	terminal.resized = 1;
}

static void reset_handlers(void)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &before_us.faults[i], NULL);
	for (size_t i = 0; i < MF_ARRAY_SIZE(endings); i++)
		sigaction(endings[i], &before_us.endings[i], NULL);
	sigaction(SIGTSTP, &before_us.suspension, NULL);
	sigaction(SIGWINCH, &before_us.resizing, NULL);
}

int mf_terminal_signal_fd(void)
{
	return terminal.signals[0];
}

static void drain_signals(void)
{
	char bytes[64];

	while (read(terminal.signals[0], bytes, sizeof(bytes)) > 0)
		;
}

int mf_terminal_ending(void)
{
	drain_signals();
	return terminal.ending;
}

bool mf_terminal_takes_suspension(void)
{
	bool asked = terminal.suspending != 0;

	terminal.suspending = 0;
	return asked;
}

/* ---- its size ------------------------------------------------------------------- */

enum {
	/* more is no terminal, but would be room to be asked for */
	ROWS_MOST = 500,
	COLUMNS_MOST = 1000,
};

/* False: it does not say. */
static bool get_size(int *height, int *width)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row ||
	    !size.ws_col)
		return false;
	*height = MF_MIN((int)size.ws_row, (int)ROWS_MOST);
	*width = MF_MIN((int)size.ws_col, (int)COLUMNS_MOST);
	return true;
}

/* LINES and COLUMNS of the environment are what some terminal once had: they
 * count where this one does not say. */
static void choose_size(void)
{
	int height, width;
	bool known = get_size(&height, &width);

	use_env(!known);
	/* not of the database alone, which has no size of some kinds (linux):
	 * curses would refuse them. Nor what is out of all measure. */
	use_tioctl(known && height < ROWS_MOST && width < COLUMNS_MOST);
}

/* curses then gives KEY_RESIZE where it has not been told before. */
static void take_size(void)
{
	int height, width;

	if (!terminal.resized)
		return;
	terminal.resized = 0;
	if (get_size(&height, &width) && is_term_resized(height, width))
		resizeterm(height, width);
}

/* ---- taking it and giving it back ------------------------------------------------ */

/* NULL: this kind of terminal has it not. */
static const char *capability(const char *name)
{
	const char *text = tigetstr(name);

	return (intptr_t)text == -1 ? NULL : text;
}

static void add_restore(const char *name)
{
	const char *text = capability(name);
	size_t length;

	if (!text)
		return;
	length = strcspn(text, "$"); /* not its delays */
	if (length > RESTORE_MOST - terminal.restore_size)
		return;
	memcpy(terminal.restore + terminal.restore_size, text, length);
	terminal.restore_size += length;
}

static void prepare_restore(void)
{
	static const char no_mouse[] = "\033[?1006l\033[?1000l";
	terminal.restore_size = 0;
	add_restore("sgr0");
	add_restore("cnorm");
	add_restore("rmkx");
	if (capability("kmous")) {
		memcpy(terminal.restore + terminal.restore_size, no_mouse,
		       sizeof(no_mouse) - 1);
		terminal.restore_size += sizeof(no_mouse) - 1;
	}
	add_restore("rmcup");
}

static struct mf_error *refuse(const char *why)
{
	return mf_error_hint(
		mf_error_why(
			mf_error_create(MF_ERROR_USAGE, "cannot browse here"),
			"%s", why),
		"in a terminal, or the same as a report: memforensics attach "
		"--batch TARGET");
}

static struct mf_error *check_terminal(void)
{
	const char *name = getenv("TERM");
	bool has_place;
	int status = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return refuse("it takes a terminal, to read keys and to draw");
	if (!name || !*name)
		return refuse("TERM does not say what kind of terminal this "
			      "is");
	if (setupterm(NULL, STDOUT_FILENO, &status) != OK || status != 1)
		return refuse("nothing is known here of a terminal of this "
			      "kind (TERM)");
	has_place = capability("cup") != NULL;
	del_curterm(cur_term);
	if (!has_place)
		return refuse("this kind of terminal (TERM) cannot place a "
			      "cursor");
	return NULL;
}

static struct mf_error *open_signals(void)
{
	if (pipe2(terminal.signals, O_CLOEXEC | O_NONBLOCK) != 0)
		return mf_error_from_errno(errno, "cannot make a pipe");
	return NULL;
}

static void set_modes(void)
{
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	mouseinterval(0);
}

struct mf_error *mf_terminal_open(bool color)
{
	const char *codes;

	MF_TRY(check_terminal());
	setlocale(LC_CTYPE, "");
	codes = nl_langinfo(CODESET);
	terminal.utf8 = !strcmp(codes, "UTF-8");
	terminal.color = color;
	MF_TRY(open_signals());
	tcgetattr(STDIN_FILENO, &terminal.before);
	choose_size();
	terminal.screen = newterm(NULL, stdout, stdin);
	if (!terminal.screen)
		return refuse("curses cannot use this kind of terminal (TERM)");
	prepare_restore();
	set_handlers();
	set_modes();
	make_colors();
	return NULL;
}

void mf_terminal_close(void)
{
	if (!terminal.screen)
		return;
	if (is_ours()) {
		endwin();
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	}
	reset_handlers();
	delscreen(terminal.screen);
	terminal.screen = NULL;
	for (int i = 0; i < 2; i++) {
		close(terminal.signals[i]);
		terminal.signals[i] = -1;
	}
}

void mf_terminal_suspend(void)
{
	def_prog_mode();
	endwin();
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	set_handler(SIGTSTP, SIG_DFL, 0, NULL);
	raise(SIGTSTP);
	set_handler(SIGTSTP, handle, 0, NULL);
	if (is_gone())
		return;
	tcgetattr(STDIN_FILENO, &terminal.before);
	reset_prog_mode();
	terminal.resized = 1;
	clearok(stdscr, TRUE);
	refresh();
}

/* ---- drawing ---------------------------------------------------------------------- */

bool mf_terminal_is_utf8(void)
{
	return terminal.utf8;
}

void mf_terminal_size(unsigned *rows, unsigned *width)
{
	int y, x;

	getmaxyx(stdscr, y, x);
	*rows = y > 0 ? (unsigned)y : 1;
	*width = x > 0 ? (unsigned)x : 1;
}

void mf_terminal_erase(void)
{
	erase();
}

static void draw_part(const struct mf_strip *line, size_t from, size_t to,
		      attr_t look)
{
	attrset(look);
	addnstr(line->text.text + from, (int)(to - from));
}

void mf_terminal_line(unsigned y, unsigned x, unsigned width,
		      const struct mf_strip *line, enum mf_tint over)
{
	attr_t laid = over == MF_TINT_PLAIN ? 0 : attribute(over);
	size_t fit = mf_text_fit(mf_buffer_text(&line->text), line->text.size,
				 width);
	unsigned used = mf_text_columns(mf_buffer_text(&line->text), fit);

	if (move((int)y, (int)x) == ERR)
		return;
	for (size_t i = 0; i < line->tints.count; i++) {
		size_t from = line->tints.items[i].at;
		size_t to = i + 1 < line->tints.count
				    ? line->tints.items[i + 1].at
				    : line->text.size;

		if (from < fit && from < to)
			draw_part(line, from, MF_MIN(to, fit),
				  laid ? laid
				       : attribute(line->tints.items[i].tint));
	}
	attrset(laid);
	while (laid && used++ < width)
		addch(' ');
	attrset(0);
}

void mf_terminal_cursor(int y, int x)
{
	curs_set(x >= 0);
	if (x >= 0)
		move(y, x);
}

void mf_terminal_flush(void)
{
	if (!is_gone())
		refresh();
}

void mf_terminal_redraw(void)
{
	clearok(stdscr, TRUE);
}

/* ---- keys --------------------------------------------------------------------------- */

static struct mf_key mouse_key(void)
{
	struct mf_key key = { .kind = MF_KEY_NOTHING };
	MEVENT event;

	if (getmouse(&event) != OK)
		return key;
	key.x = event.x;
	key.y = event.y;
	if (event.bstate & BUTTON1_PRESSED)
		key.kind = MF_KEY_CLICK;
	else if (event.bstate & BUTTON4_PRESSED)
		key.kind = MF_KEY_WHEEL_UP;
	else if (event.bstate & BUTTON5_PRESSED)
		key.kind = MF_KEY_WHEEL_DOWN;
	return key;
}

struct mf_key mf_terminal_key(void)
{
	wint_t code;
	int kind;

	/* curses draws, too, when it is asked for a key */
	if (terminal.ending)
		return (struct mf_key){ .kind = MF_KEY_NOTHING };
	take_size();
	kind = get_wch(&code);
	if (kind == ERR)
		return (struct mf_key){ .kind = MF_KEY_NOTHING };
	if (kind == KEY_CODE_YES && code == KEY_RESIZE)
		return (struct mf_key){ .kind = MF_KEY_RESIZE };
	if (kind == KEY_CODE_YES && code == KEY_MOUSE)
		return mouse_key();
	if (kind == KEY_CODE_YES || code < ' ' || code == 0x7f)
		return (struct mf_key){ .kind = MF_KEY_NAMED,
					.code = (int)code };
	return (struct mf_key){ .kind = MF_KEY_TEXT, .code = (int)code };
}
