/*
 * Names of keys, and which request each of them makes.
 */
#include "tui/keys.h"

#include <curses.h>
#include <string.h>

#include "base/compiler.h"

static const struct mf_key_row rows[] = {
#define MF_AS_ROW(name, keys, group, help) \
	{ MF_REQUEST_##name, keys, group, help },
	MF_REQUESTS(MF_AS_ROW)
#undef MF_AS_ROW
};

/* Several codes of one name: what terminals send for one key. */
static const struct {
	const char *name;
	int code;
} names[] = {
	{ "Up", KEY_UP },	{ "Down", KEY_DOWN },
	{ "Left", KEY_LEFT },	{ "Right", KEY_RIGHT },
	{ "PgUp", KEY_PPAGE },	{ "PgDn", KEY_NPAGE },
	{ "Home", KEY_HOME },	{ "End", KEY_END },
	{ "Enter", '\n' },	{ "Enter", '\r' },
	{ "Enter", KEY_ENTER }, { "Backspace", KEY_BACKSPACE },
	{ "Backspace", 0x7f },	{ "Backspace", '\b' },
	{ "Tab", '\t' },	{ "S-Tab", KEY_BTAB },
	{ "Space", ' ' },	{ "Esc", 0x1b },
	{ "F1", KEY_F(1) },
};

const struct mf_key_row *mf_key_rows(size_t *count)
{
	*count = MF_ARRAY_SIZE(rows);
	return rows;
}

static int code_of(const char *name, size_t length, size_t *from)
{
	if (*from == 0 && length == 1) {
		*from = MF_ARRAY_SIZE(names);
		return (unsigned char)name[0];
	}
	if (*from == 0 && length == 2 && name[0] == '^') {
		*from = MF_ARRAY_SIZE(names);
		return name[1] & 0x1f;
	}
	for (; *from < MF_ARRAY_SIZE(names); ++*from)
		if (strlen(names[*from].name) == length &&
		    !memcmp(names[*from].name, name, length))
			return names[(*from)++].code;
	return -1;
}

int mf_key_code(const char *name, size_t length)
{
	size_t from = 0;

	return code_of(name, length, &from);
}

static bool names_code(const char *keys, int code)
{
	while (*keys) {
		size_t length = strcspn(keys, " "), from = 0;
		int one;

		while ((one = code_of(keys, length, &from)) >= 0)
			if (one == code)
				return true;
		keys += length + (keys[length] == ' ');
	}
	return false;
}

enum mf_request mf_key_request(int code)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(rows); i++)
		if (names_code(rows[i].keys, code))
			return rows[i].request;
	return MF_REQUEST_NONE;
}
