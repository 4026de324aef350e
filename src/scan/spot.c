/*
 * What people name when they ask about a place: an address, a range, a symbol,
 * an arena, a type.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/scan.h"

#include "base/memory.h"
#include "base/units.h"

enum {
	HEX_DIGITS = 8, /* so many are an address, also without 0x */
};

static struct mf_error *refuse(const char *text, const char *why)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "'%s' is no place",
					     text),
			     "%s", why),
		"0x7f12345678, 7f1234500000-7f1234600000, ADDR+LENGTH, SYMBOL, "
		"libx.so:SYMBOL, arena:N");
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- numbers --------------------------------------------------------------- */

static bool parse_hex(const char *text, size_t length, uint64_t *ret)
{
	mf_auto_free char *digits = mf_strndup(text, length);
	const char *from = digits;
	char *end;

	if (has_prefix(from, "0x") || has_prefix(from, "0X"))
		from += 2;
	if (!isxdigit((unsigned char)*from))
		return false;
	errno = 0;
	*ret = strtoull(from, &end, 16);
	return !errno && !*end;
}

/* Hexadecimal, as every report prints them: with 0x, or long enough to be
 * nothing else; or else a plain number. */
static bool parse_address(const char *text, size_t length, uint64_t *ret)
{
	mf_auto_free char *digits = mf_strndup(text, length);
	bool is_long = strspn(digits, "0123456789abcdefABCDEF") == length &&
		       length >= HEX_DIGITS && strpbrk(digits, "abcdefABCDEF");

	if (is_long)
		return parse_hex(text, length, ret);
	return mf_parse_number(digits, ret);
}

/* As /proc/PID/maps has them. */
static bool parse_bounds(const char *text, const char *dash,
			 struct mf_spot *ret)
{
	return parse_hex(text, (size_t)(dash - text), &ret->start) &&
	       parse_hex(dash + 1, strlen(dash + 1), &ret->end);
}

static bool parse_length(const char *text, const char *plus,
			 struct mf_spot *ret)
{
	uint64_t length;

	return parse_address(text, (size_t)(plus - text), &ret->start) &&
	       mf_parse_size(plus + 1, &length) &&
	       !__builtin_add_overflow(ret->start, length, &ret->end);
}

/* ---- reading --------------------------------------------------------------- */

static struct mf_error *parse_arena(const char *text, struct mf_spot *ret)
{
	uint64_t number;

	ret->kind = MF_SPOT_ARENA;
	if (!mf_parse_number(text + strlen("arena:"), &number) ||
	    number > UINT_MAX)
		return refuse(text, "an arena is a number from 0, the main "
				    "one");
	ret->arena = (unsigned)number;
	return NULL;
}

static bool parse_range(const char *text, struct mf_spot *ret)
{
	const char *sign = strpbrk(text, "-+");

	if (!sign || !isxdigit((unsigned char)*text))
		return false;
	ret->kind = MF_SPOT_RANGE;
	return *sign == '-' ? parse_bounds(text, sign, ret)
			    : parse_length(text, sign, ret);
}

struct mf_error *mf_spot_parse(const char *text, struct mf_spot *ret)
{
	*ret = (struct mf_spot){ .text = text, .name = text };
	if (has_prefix(text, "arena:"))
		return parse_arena(text, ret);
	if (has_prefix(text, "type:")) {
		ret->kind = MF_SPOT_TYPE;
		ret->name = text + strlen("type:");
		return *ret->name ? NULL : refuse(text, "it names no type");
	}
	if (parse_address(text, strlen(text), &ret->start)) {
		ret->kind = MF_SPOT_ADDRESS;
		ret->end = ret->start + 1;
		return ret->end ? NULL : refuse(text, "nothing is there");
	}
	if (parse_range(text, ret))
		return ret->start < ret->end
			       ? NULL
			       : refuse(text, "it ends before it begins");
	if (!*text || isdigit((unsigned char)*text))
		return refuse(text, "it is neither an address nor a name");
	ret->kind = MF_SPOT_SYMBOL;
	return NULL;
}

/* ---- symbols --------------------------------------------------------------- */

/* What stands before the first colon, if a module is named so. */
static const struct mf_module *named_module(const struct mf_image *image,
					    const char *text)
{
	const char *colon = strchr(text, ':');
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; colon && i < count; i++)
		if (strlen(modules[i].name) == (size_t)(colon - text) &&
		    has_prefix(text, modules[i].name))
			return &modules[i];
	return NULL;
}

static bool find_in(struct mf_image *image, const struct mf_module *module,
		    struct mf_spot *spot)
{
	uint64_t size;

	if (!mf_image_find_symbol(image, module, spot->name, MF_SYMBOLS_DEBUG,
				  &spot->start, &size))
		return false;
	spot->end = spot->start + 1;
	if (size && size <= UINT64_MAX - spot->start)
		spot->end = spot->start + size;
	return true;
}

/* The executable's own goes before those of its libraries. */
static bool find_anywhere(struct mf_image *image, struct mf_spot *spot)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (modules[i].main && find_in(image, &modules[i], spot))
			return true;
	for (size_t i = 0; i < count; i++)
		if (!modules[i].main && find_in(image, &modules[i], spot))
			return true;
	return false;
}

struct mf_error *mf_spot_find_symbol(struct mf_spot *spot,
				     struct mf_image *image)
{
	const struct mf_module *module;
	struct mf_symbol symbol;

	/* its module's symbols are read now, and not under the stop */
	if (spot->kind == MF_SPOT_ADDRESS || spot->kind == MF_SPOT_RANGE)
		mf_image_symbol_at(image, spot->start, &symbol);
	if (spot->kind != MF_SPOT_SYMBOL)
		return NULL;
	module = named_module(image, spot->text);
	spot->name = module ? strchr(spot->text, ':') + 1 : spot->text;
	if (module ? find_in(image, module, spot) : find_anywhere(image, spot))
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "there is no symbol '%s'",
					     spot->name),
			     "%s%s defines it, or its symbols are not there",
			     module ? "it is not known that " : "no module ",
			     module ? module->name : "of the process"),
		"an address, as in 0x7f1234500000");
}

/* ---- arenas ---------------------------------------------------------------- */

struct mf_error *mf_spot_find_arena(struct mf_spot *spot,
				    const struct mf_heap *heap)
{
	size_t arenas = 0;

	if (spot->kind != MF_SPOT_ARENA)
		return NULL;
	mf_heap_foreach_allocator(allocator, heap) {
		for (size_t k = 0; k < allocator->arena_count; k++) {
			const struct mf_arena *arena = &allocator->arenas[k];

			/* only glibc's have an address that is known */
			if (arena->index != spot->arena || !arena->address)
				continue;
			spot->start = arena->address;
			spot->end = arena->address + 1;
			return NULL;
		}
		arenas = MF_MAX(arenas, allocator->arena_count);
	}
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "there is no arena %u",
					     spot->arena),
			     "%zu arenas were found", arenas),
		"memforensics arenas");
}
