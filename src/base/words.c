/*
 * Finds the word that was meant by one that is none: the nearest by edits, or
 * one that it begins.
 */
#include "base/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"

enum {
	FURTHEST = 2, /* edits between a word and what was meant */
	LONGEST_WORD = 32,
};

/* Edits that make LEFT of RIGHT, both cut to LONGEST_WORD letters. */
static size_t distance(const char *left, const char *right)
{
	size_t row[LONGEST_WORD + 1], columns = strnlen(right, LONGEST_WORD);
	size_t lines = strnlen(left, LONGEST_WORD);

	for (size_t i = 0; i <= columns; i++)
		row[i] = i;
	for (size_t line = 0; line < lines; line++) {
		size_t corner = row[0];

		row[0] = line + 1;
		for (size_t i = 0; i < columns; i++) {
			size_t above = row[i + 1];
			size_t best = MF_MIN(above, row[i]) + 1;

			best = MF_MIN(best, corner + (left[line] != right[i]));
			corner = above;
			row[i + 1] = best;
		}
	}
	return row[columns];
}

const char *mf_did_you_mean(const char *word, const char *const *words,
			    size_t count)
{
	size_t nearest = FURTHEST + 1;
	const char *ret = NULL;

	for (size_t i = 0; i < count; i++) {
		size_t edits = distance(word, words[i]);

		if (edits < nearest && edits <= strlen(words[i]) / 2) {
			nearest = edits;
			ret = words[i];
		}
	}
	for (size_t i = 0; !ret && i < count; i++)
		if (strlen(word) > 1 && !strncmp(word, words[i], strlen(word)))
			ret = words[i];
	return ret;
}
