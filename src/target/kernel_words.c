/*
 * Addresses that a process gave away to the kernel, and may have nowhere else,
 * as far as /proc tells: proc(5), fdinfo and timers.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "target/live.h"

enum {
	DESCRIPTORS_MAX = 1 << 16,
	DECIMAL = 10,
	HEXADECIMAL = 16,
};

struct words {
	void (*visit)(const char *holder, uint64_t value, void *data);
	void *data;
};

/* Where a number stands in the text of such a file: behind KEY. */
struct number_rule {
	const char *key;
	int base;
};

static void show_all(const struct words *words, const char *holder,
		     const char *text, const struct number_rule *rule)
{
	const char *at = text;

	while ((at = strstr(at, rule->key))) {
		char *end;
		unsigned long long value;

		at += strlen(rule->key);
		at += strspn(at, " \t");
		value = strtoull(at, &end, rule->base);
		if (end != at && value)
			words->visit(holder, value, words->data);
		at = end;
	}
}

static void show_file(const struct words *words, const char *holder,
		      const char *text, const struct number_rule *rules)
{
	for (; rules->key; rules++)
		show_all(words, holder, text, rules);
}

/* ---- descriptors ----------------------------------------------------------- */

static const struct number_rule epoll_rules[] = {
	{ "data:", HEXADECIMAL },
	{ NULL, 0 },
};

static const struct number_rule ring_rules[] = {
	{ "user_data:", DECIMAL },
	{ "addr:", HEXADECIMAL },
	{ ": 0x", HEXADECIMAL }, /* registered buffers */
	{ NULL, 0 },
};

static const struct {
	const char *file, *holder;
	const struct number_rule *rules;
} kinds[] = {
	{ "anon_inode:[eventpoll]", "epoll", epoll_rules },
	{ "anon_inode:[io_uring]", "io_uring", ring_rules },
};

static void show_descriptor(const struct words *words, int folder,
			    const char *name)
{
	char file[64], path[sizeof("../fdinfo/") + NAME_MAX];
	ssize_t length = readlinkat(folder, name, file, sizeof(file) - 1);
	MF_AUTO_BUFFER(text);
	mf_auto_error struct mf_error *error = NULL;

	if (length <= 0)
		return;
	file[length] = '\0';
	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++) {
		if (strcmp(file, kinds[i].file) != 0)
			continue;
		snprintf(path, sizeof(path), "../fdinfo/%s", name);
		error = mf_file_read_at(folder, path, &text);
		if (!error)
			show_file(words, kinds[i].holder, mf_buffer_text(&text),
				  kinds[i].rules);
		return;
	}
}

static void show_descriptors(const struct words *words, int proc)
{
	int folder = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = folder >= 0 ? fdopendir(folder) : NULL;
	const struct dirent *entry;

	if (!entries) {
		if (folder >= 0)
			close(folder);
		return;
	}
	for (unsigned i = 0; i < DESCRIPTORS_MAX && (entry = readdir(entries));
	     i++)
		if (*entry->d_name != '.')
			show_descriptor(words, folder, entry->d_name);
	closedir(entries);
}

/* ---- others ---------------------------------------------------------------- */

static void show_timers(const struct words *words, int proc)
{
	static const struct number_rule rules[] = {
		{ "/", HEXADECIMAL }, /* "signal: 60/00007fff86e452a8" */
		{ NULL, 0 },
	};
	MF_AUTO_BUFFER(text);
	mf_auto_error struct mf_error *error =
		mf_file_read_at(proc, "timers", &text);

	if (!error)
		show_file(words, "timer", mf_buffer_text(&text), rules);
}

static void show_robust_lists(const struct words *words,
			      struct mf_target *target)
{
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	for (size_t i = 0; i < count; i++) {
		void *head = NULL;
		size_t size;

		if (syscall(SYS_get_robust_list, threads[i].tid, &head,
			    &size) == 0 &&
		    head)
			words->visit("robust list", (uintptr_t)head,
				     words->data);
	}
}

static void read_words(struct mf_target *target, const struct words *words)
{
	const struct mf_live *live = mf_live_of(target);

	show_descriptors(words, live->proc);
	show_timers(words, live->proc);
	show_robust_lists(words, target);
}

/* ---- of the moment of a copy ------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const struct mf_kept_word *left = a, *right = b;

	if (left->value != right->value)
		return left->value > right->value ? 1 : -1;
	return strcmp(left->holder, right->holder);
}

static void keep_word(const char *holder, uint64_t value, void *data)
{
	struct mf_kept_words *kept = data;

	mf_vec_push(&kept->list, (struct mf_kept_word){ holder, value });
}

static int compare_at(const struct mf_kept_words *a, size_t i,
		      const struct mf_kept_words *b, size_t k)
{
	if (i == a->list.count)
		return 1;
	if (k == b->list.count)
		return -1;
	return by_value(&a->list.items[i], &b->list.items[k]);
}

/* Who was in one of them was there, or came or went while it was copied. */
static void join(struct mf_kept_words *words, const struct mf_kept_words *more)
{
	struct mf_kept_words both = { 0 };
	size_t i = 0, k = 0;

	while (i < words->list.count || k < more->list.count) {
		int order = compare_at(words, i, more, k);

		mf_vec_push(&both.list, order > 0 ? more->list.items[k]
						  : words->list.items[i]);
		i += order <= 0;
		k += order >= 0;
	}
	mf_vec_deinit(&words->list);
	*words = both;
}

/* A core has them, too. */
static bool are_wanted(const struct mf_target *target)
{
	return target->wants_words || target->options.extended_registers;
}

void mf_live_keep_words(struct mf_target *target, bool after)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_kept_words now = { 0 };

	if (!are_wanted(target))
		return;
	if (!after)
		live->words.list.count = 0;
	read_words(target, &(struct words){ keep_word, &now });
	mf_vec_sort(&now.list, by_value);
	join(&live->words, &now);
	mf_vec_deinit(&now.list);
}

void mf_live_kernel_words(struct mf_target *target,
			  void (*visit)(const char *holder, uint64_t value,
					void *data),
			  void *data)
{
	const struct mf_live *live = mf_live_of(target);

	if (!live->copy.pid || !are_wanted(target)) {
		read_words(target, &(struct words){ visit, data });
		return;
	}
	for (size_t i = 0; i < live->words.list.count; i++)
		visit(live->words.list.items[i].holder,
		      live->words.list.items[i].value, data);
}
