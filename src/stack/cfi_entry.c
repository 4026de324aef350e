/*
 * Entries of unwind tables as they are encoded: DWARF 5, 6.4, and the Linux
 * Standard Base Core Specification, 10.6, for what .eh_frame has beyond it.
 * All of it comes from files of a target: nothing is believed.
 */
#include "stack/cfi_entry.h"

#include <string.h>

#include "base/memory.h"

enum {
	VERSION_EH = 1,
	VERSION_3 = 3,
	VERSION_4 = 4,
	AUGMENTATION_MAX = 16,
	REGISTER_MAX = 127,
	RULE_REGISTER_MAX = 255, /* unwinders make room for all up to it */
	LONG_ENTRY = 12,	 /* bytes of the length of a 64-bit entry */

	/* DW_EH_PE_* */
	FORMAT = 0x0f,
	FORMAT_ADDRESS = 0x00,
	FORMAT_ULEB = 0x01,
	FORMAT_U16 = 0x02,
	FORMAT_U32 = 0x03,
	FORMAT_U64 = 0x04,
	FORMAT_SLEB = 0x09,
	FORMAT_S16 = 0x0a,
	FORMAT_S32 = 0x0b,
	FORMAT_S64 = 0x0c,
	RELATIVE = 0x70,
	RELATIVE_PC = 0x10,
	RELATIVE_DATA = 0x30,
	INDIRECT = 0x80,
	OMITTED = 0xff,
};

/* ---- numbers ------------------------------------------------------------- */

static void skip(struct mf_slice *slice, size_t size)
{
	slice->bytes += size;
	slice->size -= size;
	slice->address += size;
}

static bool take(struct mf_slice *slice, void *ret, size_t size)
{
	if (slice->size < size)
		return false;
	memcpy(ret, slice->bytes, size);
	skip(slice, size);
	return true;
}

static bool take_uleb(struct mf_slice *slice, uint64_t *ret)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (!take(slice, &byte, 1))
			return false;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool take_sleb(struct mf_slice *slice, int64_t *ret)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (!take(slice, &byte, 1))
			return false;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte & 0x40 && shift + 7 < 64)
			value |= UINT64_MAX << (shift + 7);
		*ret = (int64_t)value;
		return true;
	}
	return false;
}

#define TAKE_AS(type)                                          \
	({                                                     \
		type number_ = 0;                              \
		good = take(slice, &number_, sizeof(number_)); \
		(uint64_t)(int64_t) number_;                   \
	})

static bool take_number(struct mf_slice *slice, unsigned format, uint64_t *ret)
{
	int64_t signed_value = 0;
	bool good = false;

	switch (format) {
	case FORMAT_ADDRESS:
	case FORMAT_U64:
	case FORMAT_S64:
		*ret = TAKE_AS(uint64_t);
		return good;
	case FORMAT_ULEB:
		return take_uleb(slice, ret);
	case FORMAT_SLEB:
		good = take_sleb(slice, &signed_value);
		*ret = (uint64_t)signed_value;
		return good;
	case FORMAT_U16:
		*ret = TAKE_AS(uint16_t);
		return good;
	case FORMAT_U32:
		*ret = TAKE_AS(uint32_t);
		return good;
	case FORMAT_S16:
		*ret = TAKE_AS(int16_t);
		return good;
	case FORMAT_S32:
		*ret = TAKE_AS(int32_t);
		return good;
	default:
		return false;
	}
}

bool mf_pointer_parse(struct mf_slice *slice, uint8_t encoding, uint64_t header,
		      uint64_t *ret)
{
	uint64_t place = slice->address, value;

	if (encoding & INDIRECT ||
	    !take_number(slice, encoding & FORMAT, &value))
		return false;
	switch (encoding & RELATIVE) {
	case 0:
		*ret = value;
		return true;
	case RELATIVE_PC:
		*ret = value + place;
		return true;
	case RELATIVE_DATA:
		*ret = value + header;
		return header != 0;
	default:
		return false;
	}
}

/* ---- entries --------------------------------------------------------------- */

bool mf_entry_open(struct mf_slice *slice, uint32_t *mark,
		   uint64_t *mark_address)
{
	uint32_t length;

	/* zero ends a list; those with 64-bit lengths nobody writes */
	if (!take(slice, &length, sizeof(length)) || length < sizeof(*mark) ||
	    length > slice->size || length > MF_ENTRY_MAX)
		return false;
	slice->size = length;
	*mark_address = slice->address;
	return take(slice, mark, sizeof(*mark));
}

static const char *take_text(struct mf_slice *slice)
{
	const char *text = (const char *)slice->bytes;
	const char *end = memchr(text, '\0', slice->size);

	if (!end || end - text > AUGMENTATION_MAX)
		return NULL;
	skip(slice, (size_t)(end - text) + 1);
	return text;
}

/* What the letters after 'z' stand for; those not known end the walk. */
static bool take_augmentation(struct mf_slice *slice, const char *letters,
			      struct mf_cie *ret)
{
	uint64_t ignored;
	uint8_t encoding;

	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			if (!take(slice, &ret->encoding, 1))
				return false;
			break;
		case 'P':
			if (!take(slice, &encoding, 1) ||
			    (encoding != OMITTED &&
			     !take_number(slice, encoding & FORMAT, &ignored)))
				return false;
			break;
		case 'L':
			if (!take(slice, &encoding, 1))
				return false;
			break;
		case 'S':
			ret->signal = true;
			break;
		case 'B':
			break;
		default:
			return true;
		}
	}
	return true;
}

static bool take_sized(struct mf_slice *slice, const char *letters,
		       struct mf_cie *ret)
{
	struct mf_slice data;
	uint64_t size;

	if (!take_uleb(slice, &size) || size > slice->size)
		return false;
	data = *slice;
	data.size = size;
	skip(slice, size);
	ret->sized = true;
	return take_augmentation(&data, letters, ret);
}

static bool take_return_register(struct mf_slice *slice, uint8_t version,
				 uint64_t *ret)
{
	uint8_t byte;

	if (version != VERSION_EH)
		return take_uleb(slice, ret);
	if (!take(slice, &byte, 1))
		return false;
	*ret = byte;
	return true;
}

bool mf_cie_parse(const struct mf_slice *entry, struct mf_cie *ret)
{
	struct mf_slice slice = *entry;
	const char *augmentation;
	uint8_t version, sizes[2];

	*ret = (struct mf_cie){ .encoding = FORMAT_ADDRESS };
	if (!take(&slice, &version, 1))
		return false;
	if (version != VERSION_EH && version != VERSION_3 &&
	    version != VERSION_4)
		return false;
	augmentation = take_text(&slice);
	if (!augmentation)
		return false;
	if (version == VERSION_4 && (!take(&slice, sizes, sizeof(sizes)) ||
				     sizes[0] != sizeof(uint64_t) || sizes[1]))
		return false;
	if (!take_uleb(&slice, &ret->code_align) ||
	    !take_sleb(&slice, &ret->data_align) ||
	    !take_return_register(&slice, version, &ret->return_register) ||
	    ret->return_register > REGISTER_MAX)
		return false;
	if (*augmentation == 'z' && !take_sized(&slice, augmentation + 1, ret))
		return false;
	if (*augmentation && *augmentation != 'z')
		return false;
	ret->rules = slice.bytes;
	ret->rules_size = slice.size;
	return true;
}

bool mf_fde_parse(const struct mf_slice *entry, const struct mf_cie *cie,
		  uint64_t header, struct mf_fde *ret)
{
	struct mf_slice slice = *entry;
	uint64_t range, size;

	if (!mf_pointer_parse(&slice, cie->encoding, header, &ret->start) ||
	    !take_number(&slice, cie->encoding & FORMAT, &range) || !range ||
	    range > UINT64_MAX - ret->start)
		return false;
	ret->end = ret->start + range;
	if (cie->sized) {
		if (!take_uleb(&slice, &size) || size > slice.size)
			return false;
		skip(&slice, size);
	}
	ret->rules = slice.bytes;
	ret->rules_size = slice.size;
	return true;
}

/* ---- rules ------------------------------------------------------------------ */

/* What follows each DW_CFA_*: u a number, r that of a register, s a signed one,
 * b an expression, 1 2 4 8 bytes, a an address. */
static const char *operands(uint8_t code)
{
	static const char *const table[] = {
		[0x00] = "",   /* nop */
		[0x01] = "a",  /* set_loc */
		[0x02] = "1",  /* advance_loc1 */
		[0x03] = "2",  /* advance_loc2 */
		[0x04] = "4",  /* advance_loc4 */
		[0x05] = "ru", /* offset_extended */
		[0x06] = "r",  /* restore_extended */
		[0x07] = "r",  /* undefined */
		[0x08] = "r",  /* same_value */
		[0x09] = "rr", /* register */
		[0x0a] = "",   /* remember_state */
		[0x0b] = "",   /* restore_state */
		[0x0c] = "ru", /* def_cfa */
		[0x0d] = "r",  /* def_cfa_register */
		[0x0e] = "u",  /* def_cfa_offset */
		[0x0f] = "b",  /* def_cfa_expression */
		[0x10] = "rb", /* expression */
		[0x11] = "rs", /* offset_extended_sf */
		[0x12] = "rs", /* def_cfa_sf */
		[0x13] = "s",  /* def_cfa_offset_sf */
		[0x14] = "ru", /* val_offset */
		[0x15] = "rs", /* val_offset_sf */
		[0x16] = "rb", /* val_expression */
		[0x2d] = "",   /* AARCH64_negate_ra_state */
		[0x2e] = "u",  /* GNU_args_size */
		[0x2f] = "ru", /* GNU_negative_offset_extended */
	};

	switch (code & 0xc0) {
	case 0x40: /* advance_loc */
	case 0xc0: /* restore */
		return "";
	case 0x80: /* offset */
		return "u";
	default:
		return code < MF_ARRAY_SIZE(table) ? table[code] : NULL;
	}
}

static bool skip_operand(struct mf_slice *slice, char kind)
{
	int64_t ignored;
	uint64_t value;

	switch (kind) {
	case 's':
		return take_sleb(slice, &ignored);
	case 'u':
		return take_uleb(slice, &value);
	case 'r':
		return take_uleb(slice, &value) && value <= RULE_REGISTER_MAX;
	default:
		value = (uint64_t)(kind - '0');
		break;
	}
	if (value > slice->size)
		return false;
	skip(slice, value);
	return true;
}

/* What follows each DW_OP_*; NULL: not known, or not to be had. */
static const char *operation_operands(uint8_t code)
{
	static const char *const table[] = {
		[0x03] = "8", /* addr */
		[0x06] = "",  /* deref */
		[0x08] = "1", /* const1u, 1s, 2u, 2s, 4u, 4s, 8u, 8s */
		[0x09] = "1",	       [0x0a] = "2",
		[0x0b] = "2",	       [0x0c] = "4",
		[0x0d] = "4",	       [0x0e] = "8",
		[0x0f] = "8",	       [0x10] = "u" /* constu */,
		[0x11] = "s",	       /* consts */
		[0x12 ... 0x14] = "",  /* dup, drop, over */
		[0x15] = "1",	       /* pick */
		[0x16] = "",	       /* swap */
		[0x17] = "",	       /* rot */
		[0x19 ... 0x1a] = "",  /* abs, and */
		[0x1c ... 0x22] = "",  /* minus to plus: all but div */
		[0x23] = "u",	       /* plus_uconst */
		[0x24 ... 0x27] = "",  /* shifts, xor */
		[0x29 ... 0x2e] = "",  /* comparisons */
		[0x30 ... 0x6f] = "",  /* lit0 to 31, reg0 to 31 */
		[0x70 ... 0x8f] = "s", /* breg0 to 31 */
		[0x90] = "r",	       /* regx */
		[0x92] = "rs",	       /* bregx */
		[0x94] = "1",	       /* deref_size */
		[0x96] = "",	       /* nop */
		[0x9c] = "",	       /* call_frame_cfa */
	};

	return code < MF_ARRAY_SIZE(table) ? table[code] : NULL;
}

/*
 * Neither unwinder divides with care: the least number by -1 is the end of a
 * program. libunwind goes wherever a jump leads, out of the expression, too;
 * libdw forgets memory where one has no end.
 */
static bool check_expression(struct mf_slice *rules)
{
	struct mf_slice slice = *rules;
	uint64_t size;
	uint8_t code;

	if (!take_uleb(&slice, &size) || size > slice.size)
		return false;
	*rules = slice;
	skip(rules, size);
	slice.size = size;
	while (take(&slice, &code, 1)) {
		const char *kinds = operation_operands(code);

		if (!kinds)
			return false;
		for (; *kinds; kinds++)
			if (!skip_operand(&slice, *kinds))
				return false;
	}
	return true;
}

bool mf_rules_check(const uint8_t *rules, size_t size, bool *in_place)
{
	struct mf_slice slice = { rules, size, 0 };
	uint8_t code;

	while (take(&slice, &code, 1)) {
		const char *kinds = operands(code);

		if (!kinds)
			return false;
		if (*kinds == 'a') {
			*in_place = true;
			return true;
		}
		for (; *kinds; kinds++)
			if (*kinds == 'b' ? !check_expression(&slice)
					  : !skip_operand(&slice, *kinds))
				return false;
	}
	return true;
}

/* ---- writing ---------------------------------------------------------------- */

static void add(struct mf_buffer *buffer, const void *bytes, size_t size)
{
	mf_buffer_add(buffer, bytes, size);
}

static void add_uleb(struct mf_buffer *buffer, uint64_t value)
{
	do {
		uint8_t byte = value & 0x7f;

		value >>= 7;
		if (value)
			byte |= 0x80;
		add(buffer, &byte, 1);
	} while (value);
}

static void add_sleb(struct mf_buffer *buffer, int64_t value)
{
	bool more = true;

	while (more) {
		uint8_t byte = value & 0x7f;

		value >>= 7;
		more = !(value == 0 && !(byte & 0x40)) &&
		       !(value == -1 && byte & 0x40);
		if (more)
			byte |= 0x80;
		add(buffer, &byte, 1);
	}
}

/* Entries end where 8 bytes do, with rules that do nothing. */
static void end_entry(struct mf_buffer *buffer, size_t start)
{
	static const uint8_t none[8] = { 0 };
	uint32_t length;

	add(buffer, none, -buffer->size % sizeof(none));
	length = (uint32_t)(buffer->size - start - sizeof(length));
	memcpy(buffer->text + start, &length, sizeof(length));
}

static void add_cie(struct mf_buffer *buffer, const struct mf_cie *cie)
{
	const uint8_t version = VERSION_EH, encoding = FORMAT_ADDRESS;
	const char *letters = cie->signal ? "zRS" : "zR";
	uint8_t column = (uint8_t)cie->return_register;

	add(buffer, &version, 1);
	add(buffer, letters, strlen(letters) + 1);
	add_uleb(buffer, cie->code_align);
	add_sleb(buffer, cie->data_align);
	add(buffer, &column, 1);
	add_uleb(buffer, 1);
	add(buffer, &encoding, 1);
	add(buffer, cie->rules, cie->rules_size);
}

size_t mf_entries_write(const struct mf_cie *cie, const struct mf_fde *fde,
			uint64_t bias, struct mf_buffer *buffer)
{
	const uint32_t blank[2] = { 0, 0 };
	const uint64_t start = fde->start + bias;
	const uint64_t range = fde->end - fde->start;
	size_t first = buffer->size, second;
	uint32_t back;

	add(buffer, blank, sizeof(blank));
	add_cie(buffer, cie);
	end_entry(buffer, first);
	second = buffer->size;
	back = (uint32_t)(second + sizeof(back) - first);
	add(buffer, blank, sizeof(*blank));
	add(buffer, &back, sizeof(back));
	add(buffer, &start, sizeof(start));
	add(buffer, &range, sizeof(range));
	add_uleb(buffer, 0);
	add(buffer, fde->rules, fde->rules_size);
	end_entry(buffer, second);
	return second;
}
