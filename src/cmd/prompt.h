/*
 * The prompt that follows `attach` on a terminal.
 */
#ifndef MF_CMD_PROMPT_H
#define MF_CMD_PROMPT_H

#include "cmd/command.h"

/** A person at a terminal asked for the report that a prompt follows. */
bool mf_prompt_is_wanted(const struct mf_command *command,
			 const struct mf_settings *settings);

/**
 * Reads commands and runs them over *SESSION, which was opened by SETTINGS and
 * keeps what it read, until its user has had enough. *SESSION is another one
 * afterwards where a new view was taken.
 */
void mf_prompt_run(const struct mf_settings *settings,
		   struct mf_session **session);

#endif
