/*
 * A line that is typed at the foot of the screen.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include "base/memory.h"
#include "tui/browse.h"

enum {
	TYPED_MOST = 1000, /* characters */
	SUSPEND_MS = 100,
};

struct typing {
	wchar_t text[TYPED_MOST + 1];
	size_t count, at;
};

static void begin(struct typing *typing, const char *preset)
{
	mbstate_t state = { 0 };
	size_t count = mbsrtowcs(typing->text, &preset, TYPED_MOST, &state);

	typing->count = count == (size_t)-1 ? 0 : count;
	typing->at = typing->count;
}

/* As UTF-8, or whatever the locale has; the caller's. */
static char *finish(const struct typing *typing)
{
	struct mf_buffer text = { 0 };
	mbstate_t state = { 0 };

	for (size_t i = 0; i < typing->count; i++) {
		char bytes[16];
		size_t size = wcrtomb(bytes, typing->text[i], &state);

		if (size != (size_t)-1)
			mf_buffer_add(&text, bytes, size);
	}
	mf_buffer_puts(&text, "");
	return mf_buffer_take(&text);
}

static void insert(struct typing *typing, wchar_t character)
{
	if (typing->count == TYPED_MOST)
		return;
	wmemmove(typing->text + typing->at + 1, typing->text + typing->at,
		 typing->count - typing->at);
	typing->text[typing->at++] = character;
	typing->count++;
}

static void take_away(struct typing *typing, size_t at)
{
	if (at >= typing->count)
		return;
	wmemmove(typing->text + at, typing->text + at + 1,
		 typing->count - at - 1);
	typing->count--;
	typing->at -= typing->at > at;
}

/* Control characters as a shell has them. */
static void edit(struct typing *typing, const struct mf_key *key)
{
	enum mf_request request = mf_key_request(key->code);

	if (key->code == ('u' & 0x1f))
		typing->count = typing->at = 0;
	else if (key->code == ('a' & 0x1f) || request == MF_REQUEST_FIRST)
		typing->at = 0;
	else if (key->code == ('e' & 0x1f) || request == MF_REQUEST_LAST)
		typing->at = typing->count;
	else if (key->code == ('d' & 0x1f))
		take_away(typing, typing->at);
	else if (request == MF_REQUEST_LEFT)
		typing->at -= typing->at > 0;
	else if (request == MF_REQUEST_RIGHT)
		typing->at += typing->at < typing->count;
	else if (request == MF_REQUEST_BACK && typing->at)
		take_away(typing, typing->at - 1);
}

enum answer {
	ANSWER_NOT_YET,
	ANSWER_GIVEN,
	ANSWER_REFUSED,
};

static enum answer take_key(struct typing *typing, const struct mf_key *key)
{
	enum mf_request request;

	if (key->kind == MF_KEY_TEXT) {
		insert(typing, (wchar_t)key->code);
		return ANSWER_NOT_YET;
	}
	if (key->kind != MF_KEY_NAMED)
		return ANSWER_NOT_YET;
	request = mf_key_request(key->code);
	if (request == MF_REQUEST_ENTER)
		return ANSWER_GIVEN;
	if (request == MF_REQUEST_CANCEL || request == MF_REQUEST_END)
		return ANSWER_REFUSED;
	if (request == MF_REQUEST_SUSPEND)
		raise(SIGTSTP);
	else
		edit(typing, key);
	return ANSWER_NOT_YET;
}

static void draw(struct mf_browser *browser, const char *question,
		 const struct typing *typing)
{
	struct typing start = *typing;
	mf_auto_free char *text = finish(typing);
	mf_auto_free char *left = NULL;

	start.count = start.at;
	left = finish(&start);
	mf_frame_prompt(browser, question, text, strlen(left));
}

static enum answer wait_for_key(struct mf_browser *browser,
				struct typing *typing)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = mf_terminal_signal_fd(), .events = POLLIN },
	};
	enum answer answer = ANSWER_NOT_YET;
	struct mf_key key;

	/* it may have come before this prompt did */
	if (mf_terminal_ending())
		return ANSWER_REFUSED;
	if (mf_work_held_key(browser, &key))
		return take_key(typing, &key);
	/* it has to be tried again, soon */
	poll(fds, MF_ARRAY_SIZE(fds), browser->suspends ? SUSPEND_MS : -1);
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL) ||
	    mf_terminal_ending())
		return ANSWER_REFUSED;
	while (answer == ANSWER_NOT_YET &&
	       (key = mf_terminal_key()).kind != MF_KEY_NOTHING)
		answer = take_key(typing, &key);
	return answer;
}

char *mf_browser_ask(struct mf_browser *browser, const char *question,
		     const char *preset)
{
	struct typing *typing = mf_new(struct typing);
	enum answer answer;
	char *text = NULL;

	begin(typing, preset ? preset : "");
	do {
		mf_browser_suspend(browser);
		draw(browser, question, typing);
		answer = wait_for_key(browser, typing);
	} while (answer == ANSWER_NOT_YET);
	if (answer == ANSWER_GIVEN)
		text = finish(typing);
	free(typing);
	return text;
}
