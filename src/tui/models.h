/*
 * How the worker makes models that outlive the moment they were made in.
 */
#ifndef MF_TUI_MODELS_H
#define MF_TUI_MODELS_H

#include "tui/worker.h"

/** Of what VIEW has; the judgement included. */
struct mf_models *mf_models_create(const struct mf_view *view, bool frozen);

/**
 * Of its mappings alone, by a look of its own that stops nothing: process PID
 * need not be free to be read otherwise. NULL: it cannot be had.
 */
struct mf_models *mf_models_list(pid_t pid, const char *symfs);

#endif
