/*
 * The keys: what is asked for, by which keys, and what help says of it, in one
 * table.
 *
 * To add a key: add a row to MF_REQUESTS. Its keys are names, apart by blanks:
 * a character, "Up", "PgDn", "F1", "Space", "Enter", "^L", ... The help of `?`
 * is made of the rows, so nothing else has to be written. A view is given the
 * request in its `handle`; what no view handles, browser.c does.
 */
#ifndef MF_TUI_KEYS_H
#define MF_TUI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
/* request, keys, group of help, what help says */
#define MF_REQUESTS(X)                                                        \
	X(UP,		"Up k",		"moving", "a row up")                 \
	X(DOWN,		"Down j",	"moving", "a row down")               \
	X(LEFT,		"Left h",	"moving", "out; in hex a byte back")  \
	X(RIGHT,	"Right l",	"moving", "in; in hex a byte on")     \
	X(PAGE_UP,	"PgUp ^B",	"moving", "a screen up")              \
	X(PAGE_DOWN,	"PgDn ^F",	"moving", "a screen down")            \
	X(FIRST,	"g Home",	"moving", "the first row")            \
	X(LAST,		"G End",	"moving", "the last row")             \
	X(ENTER,	"Enter",	"moving", "go in: what the row is made of; in hex, follow the pointer") \
	X(BACK,		"Backspace u",	"moving", "go out, to where you came from") \
	X(NEXT_VIEW,	"Tab",		"views",  "the next view (a digit: that view)") \
	X(PREVIOUS_VIEW, "S-Tab",	"views",  "the view before it")       \
	X(SEARCH,	"/",		"finding", "search the rows for a text; in hex, the bytes") \
	X(SEARCH_NEXT,	"n",		"finding", "the next row that has it") \
	X(SEARCH_PREVIOUS, "N",		"finding", "the one before")          \
	X(FILTER,	"\\",		"finding", "show only rows that have a text (empty: all)") \
	X(GOTO,		":",		"finding", "go to an address, a symbol, arena:3, tid:123 or a view") \
	X(SORT_PREVIOUS, "<",		"sorting", "sort by the column to the left") \
	X(SORT_NEXT,	">",		"sorting", "sort by the column to the right") \
	X(SORT_REVERSE,	"I",		"sorting", "turn the order round")    \
	X(TREE,		"t",		"sorting", "tree or flat, or the next of what the head names")      \
	X(STATES,	"s",		"sorting", "chunks: those of the next state alone") \
	X(ZOOM_IN,	"+ =",		"sorting", "map of a heap: more of it")        \
	X(ZOOM_OUT,	"-",		"sorting", "map of a heap: less of it")        \
	X(HEX,		"x",		"about a row", "its bytes")           \
	X(EXPLAIN,	"e",		"about a row", "what is at its address") \
	X(REFERRERS,	"w",		"about a row", "who points at it")    \
	X(GROUPING,	"b",		"about a row", "hex: groups of 1, 2, 4, 8 bytes") \
	X(TAG,		"Space",	"about a row", "tag it, or take its tag away") \
	X(UNTAG,	"U",		"about a row", "take all tags away")  \
	X(OUTPUT,	"o",		"about a row", "write the tagged regions, or these rows, to a file") \
	X(MARK,		"m",		"the process", "mark now, to compare with later") \
	X(DIFFERENCE,	"d",		"the process", "what changed since the mark") \
	X(REFRESH,	"r",		"the process", "look at it again, now") \
	X(INTERVAL,	"a",		"the process", "follow its mappings by an interval, without a stop") \
	X(CANCEL,	"Esc",		"the program", "stop what is being done") \
	X(HELP,		"? F1",		"the program", "this help")           \
	X(REDRAW,	"^L",		"the program", "draw the screen anew") \
	X(SUSPEND,	"^Z",		"the program", "back to the shell; fg returns") \
	X(QUIT,		"q",		"the program", "end; in help, back")  \
	X(END,		"^C",		"the program", "end")
/* clang-format on */

enum mf_request {
	MF_REQUEST_NONE,
#define MF_AS_REQUEST(name, keys, group, help) MF_REQUEST_##name,
	MF_REQUESTS(MF_AS_REQUEST)
#undef MF_AS_REQUEST
	MF_REQUEST_COUNT,
};

struct mf_key_row {
	enum mf_request request;
	const char *keys; /* names, apart by blanks */
	const char *group;
	const char *help;
};

/** In the order of help. */
const struct mf_key_row *mf_key_rows(size_t *count);

/** The code that the terminal has for the key called NAME; -1: no such key. */
int mf_key_code(const char *name, size_t length);

/** What key CODE asks for. */
enum mf_request mf_key_request(int code);

#endif
