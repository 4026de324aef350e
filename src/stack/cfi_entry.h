/*
 * The entries of .eh_frame and .debug_frame: a CIE says what several functions
 * have in common, an FDE has the rules of one.
 */
#ifndef MF_STACK_CFI_ENTRY_H
#define MF_STACK_CFI_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/** Bytes that are at ADDRESS (run-time; in .debug_frame, an offset). */
struct mf_slice {
	const uint8_t *bytes;
	size_t size;
	uint64_t address;
};

struct mf_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t encoding; /* of pointers, DW_EH_PE_* */
	bool sized;	  /* FDEs say how long their augmentation is */
	bool signal;
	const uint8_t *rules; /* the slice's */
	size_t rules_size;
};

struct mf_fde {
	uint64_t start, end; /* as written: of .debug_frame, link-time */
	const uint8_t *rules;
	size_t rules_size;
};

enum {
	MF_ENTRY_MAX = 1 << 16, /* bytes of one */
};

/**
 * The first entry of SLICE: cuts SLICE to what follows its length. *MARK: what
 * tells a CIE from an FDE, and where its CIE is; it stands at *mark_address.
 * False: there is no more, or nothing to be believed.
 */
bool mf_entry_open(struct mf_slice *slice, uint32_t *mark,
		   uint64_t *mark_address);

/** Of an entry that was opened. */
bool mf_cie_parse(const struct mf_slice *entry, struct mf_cie *ret);

/** HEADER: the address of .eh_frame_hdr, which pointers may be relative to. */
bool mf_fde_parse(const struct mf_slice *entry, const struct mf_cie *cie,
		  uint64_t header, struct mf_fde *ret);

/** What a pointer of ENCODING at the start of SLICE means; moves SLICE on. */
bool mf_pointer_parse(struct mf_slice *slice, uint8_t encoding, uint64_t header,
		      uint64_t *ret);

/** Whether RULES can be read to their end, and do an unwinder no harm;
 * *IN_PLACE: they hold addresses that mean something only where they stand. */
bool mf_rules_check(const uint8_t *rules, size_t size, bool *in_place);

/**
 * Writes both as .eh_frame has them, with absolute pointers of 8 bytes; START
 * and END are run-time. Returns where the FDE is in BUFFER.
 */
size_t mf_entries_write(const struct mf_cie *cie, const struct mf_fde *fde,
			uint64_t bias, struct mf_buffer *buffer);

#endif
