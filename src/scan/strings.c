/*
 * The scanner of strings: its workers, and what becomes of a string that was
 * found.
 */
#include "scan/strings.h"

#include <stdlib.h>

enum {
	WORDS = MF_SCAN_WINDOW / 64 + MF_TEXT_ALL,
};

static void *worker_create(void *scanner)
{
	struct mf_strings_worker *worker = mf_new(struct mf_strings_worker);

	worker->scanner = scanner;
	worker->text = mf_new_array(WORDS, uint64_t);
	worker->runs = mf_new_array(WORDS, uint64_t);
	worker->wide = mf_new_array(WORDS, uint64_t);
	mf_string_counts_init(&worker->counts);
	return worker;
}

static void worker_destroy(struct mf_strings_worker *worker)
{
	if (!worker)
		return;
	mf_string_counts_deinit(&worker->counts);
	mf_map_deinit(&worker->keys);
	mf_buffer_deinit(&worker->spilled);
	mf_buffer_deinit(&worker->joined);
	free(worker->text);
	free(worker->runs);
	free(worker->wide);
	free(worker);
}

static void destroy(void *scanner)
{
	struct mf_strings *strings = scanner;

	if (!strings)
		return;
	mf_string_sums_deinit(&strings->sums);
	mf_string_edges_destroy(strings->edges);
	worker_destroy(strings->joiner);
	mf_string_spill_destroy(strings->spill);
	mf_map_deinit(&strings->keys);
	mf_error_destroy(strings->error);
	pthread_mutex_destroy(&strings->lock);
	free(strings);
}

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct mf_strings *strings = mf_new(struct mf_strings);
	struct mf_error *error = NULL;

	strings->least = context->options->least_characters
				 ? context->options->least_characters
				 : MF_STRING_LEAST;
	strings->all = context->options->all_strings;
	strings->redact = context->options->redact;
	strings->make_masks = mf_text_masks_best();
	strings->steps = mf_text_steps_best();
	strings->edges = mf_string_edges_create();
	strings->joiner = worker_create(strings);
	mf_string_sums_init(&strings->sums);
	pthread_mutex_init(&strings->lock, NULL);
	if (strings->all)
		error = mf_string_spill_create(&strings->spill);
	if (error) {
		destroy(strings);
		return error;
	}
	*ret = strings;
	return NULL;
}

static struct mf_error *begin(const struct mf_scan_context *context,
			      void *scanner)
{
	(void)context;
	(void)scanner;
	return NULL;
}

static void count_batch(struct mf_strings_worker *worker)
{
	mf_string_counts_add(&worker->counts, worker->batch, worker->batched);
	worker->batched = 0;
}

void mf_strings_take(struct mf_strings_worker *worker)
{
	const struct mf_string *string = &worker->batch[worker->batched - 1];

	if (string->joined || worker->batched == MF_STRING_BATCH)
		count_batch(worker);
	if (worker->scanner->spill)
		mf_string_spill_add(string->joined ? &worker->joined
						   : &worker->spilled,
				    string);
}

/* A string of several windows stands for itself, where its address is. */
static struct mf_error *spill_joined(struct mf_strings_worker *worker)
{
	struct mf_string_spill *spill = worker->scanner->spill;
	const char *bytes = mf_buffer_text(&worker->joined);
	struct mf_spilled spilled;

	for (size_t at = 0; at < worker->joined.size;
	     at += sizeof(spilled) + spilled.kept) {
		MF_AUTO_BUFFER(one);

		spilled = mf_load(struct mf_spilled, bytes + at);
		mf_buffer_add(&one, bytes + at, sizeof(spilled) + spilled.kept);
		MF_TRY(mf_string_spill_take(spill, &one));
	}
	mf_buffer_clear(&worker->joined);
	return NULL;
}

void mf_strings_window_done(struct mf_strings_worker *worker)
{
	struct mf_strings *strings = worker->scanner;

	count_batch(worker);
	if (!strings->spill)
		return;
	pthread_mutex_lock(&strings->lock);
	if (!strings->error)
		strings->error =
			mf_string_spill_take(strings->spill, &worker->spilled);
	if (!strings->error)
		strings->error = spill_joined(worker);
	if (!strings->error)
		strings->error = spill_joined(strings->joiner);
	mf_buffer_clear(&strings->joiner->joined);
	pthread_mutex_unlock(&strings->lock);
	mf_buffer_clear(&worker->spilled);
	mf_buffer_clear(&worker->joined);
}

static void add_worker(struct mf_strings *strings,
		       struct mf_strings_worker *worker)
{
	mf_string_sums_add(&strings->sums, &worker->counts);
	mf_map_foreach(entry, &worker->keys)
		mf_map_set(&strings->keys, (uint32_t)entry->key, 1);
	worker_destroy(worker);
}

static void merge(void *scanner, void *worker)
{
	add_worker(scanner, worker);
}

/* What was left open is whole now. */
static struct mf_error *finish(const struct mf_scan_context *context,
			       void *scanner)
{
	struct mf_strings *strings = scanner;
	struct mf_error *error;

	(void)context;
	mf_string_edges_flush(strings);
	mf_strings_window_done(strings->joiner);
	add_worker(strings, strings->joiner);
	strings->joiner = NULL;
	mf_string_sums_finish(&strings->sums);
	error = strings->error;
	strings->error = NULL;
	return error;
}

const struct mf_scanner_ops mf_scan_strings_ops = {
	.scans_for = MF_SCAN_STRINGS,
	.create = create,
	.begin = begin,
	.worker_create = worker_create,
	.window = mf_strings_window,
	.merge = merge,
	.finish = finish,
	.write = mf_strings_write,
	.destroy = destroy,
};
