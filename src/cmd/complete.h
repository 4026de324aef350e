/*
 * What may stand where the cursor is, of a line that is typed at the prompt.
 */
#ifndef MF_CMD_COMPLETE_H
#define MF_CMD_COMPLETE_H

#include "cmd/command.h"
#include "cmd/line.h"

struct mf_offers {
	char **items; /* each begins with what was typed; in order, no twice */
	size_t count, capacity;
	bool files; /* names of files, instead */
};

/**
 * What may take the place of TYPED's last word. VIEW is what is known of the
 * target; any of its models may be NULL.
 */
void mf_complete(const struct mf_typed *typed, const struct mf_view *view,
		 struct mf_offers *ret);
void mf_offers_deinit(struct mf_offers *offers);

/** The words that are no commands of the table, NULL-terminated. */
const char *const *mf_prompt_words(void);

#endif
