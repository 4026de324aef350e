/*
 * type_info objects. Each begins with the vptr of its own class, which is one
 * of three for classes: __class_type_info and the two that derive from it, for
 * a single base and for several. These have type information like every class:
 * the vtable of a type_info leads to the type_info of its class, and so on, up
 * to the one for single bases, which is an instance of itself. That ring is
 * what makes a type_info; libstdc++ and libc++ name its members alike.
 */
#include "scan/rtti.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum kind {
	KIND_NONE,
	KIND_CLASS,
	KIND_SINGLE,
	KIND_MULTIPLE,
};

enum {
	NAME_MAX_BYTES = 8 * 1024 - 16,
	NAMES_MAX = 16 << 20, /* bytes of all names */
	KNOWN_MAX = 1 << 20,
	BASES_MAX = 1024,
	STEPS_MAX = 4096,     /* bases looked at for one class, */
	CLIMBS_MAX = 1 << 20, /* and for all of them */
	DEPTH_MAX = 64,
};

/* How far the bases of one class have been climbed. */
struct climb {
	struct mf_rtti *rtti;
	unsigned steps, depth;
};

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "N10__cxxabiv117__class_type_infoE", KIND_CLASS },
	{ "N10__cxxabiv120__si_class_type_infoE", KIND_SINGLE },
	{ "N10__cxxabiv121__vmi_class_type_infoE", KIND_MULTIPLE },
};

/* Every type_info begins so. */
struct head {
	uint64_t vptr, name;
};

void mf_rtti_init(struct mf_rtti *rtti, struct mf_target *target,
		  const struct mf_module_map *map)
{
	*rtti = (struct mf_rtti){ .target = target, .map = map };
}

void mf_rtti_deinit(struct mf_rtti *rtti)
{
	mf_pool_deinit(&rtti->pool);
	mf_map_deinit(&rtti->kinds);
	mf_map_deinit(&rtti->known);
	mf_vec_deinit(&rtti->classes);
}

/* ---- reading ---------------------------------------------------------------- */

/* An address of data in a module, aligned as pointers are. */
static bool can_be_at(const struct mf_rtti *rtti, uint64_t address)
{
	return address % sizeof(uint64_t) == 0 && address >= sizeof(uint64_t) &&
	       mf_module_map_is_data(rtti->map, address);
}

static bool read_head(const struct mf_rtti *rtti, uint64_t address,
		      struct head *ret)
{
	return can_be_at(rtti, address) &&
	       mf_target_try_read(rtti->target, address, ret, sizeof(*ret));
}

/* A text that ends within ROOM bytes; page by page, so that the end of a
 * mapping may follow it. */
static bool read_text(const struct mf_rtti *rtti, uint64_t address, char *text,
		      size_t room)
{
	const uint64_t step = 64;
	size_t size = 0;

	if (!mf_module_map_is_data(rtti->map, address) &&
	    !mf_module_map_is_code(rtti->map, address))
		return false;
	while (size < room) {
		size_t part = MF_MIN(step - (address + size) % step,
				     (uint64_t)(room - size));

		if (!mf_target_try_read(rtti->target, address + size,
					text + size, part))
			return false;
		if (memchr(text + size, '\0', part))
			return true;
		size += part;
	}
	return false;
}

/* ---- kinds -------------------------------------------------------------------- */

/* The type_info of the class of an object whose vptr is VPTR. */
static bool class_of_vptr(const struct mf_rtti *rtti, uint64_t vptr,
			  uint64_t *address, struct head *ret)
{
	return can_be_at(rtti, vptr) &&
	       mf_target_read_u64(rtti->target, vptr - sizeof(uint64_t),
				  address) &&
	       read_head(rtti, *address, ret);
}

static enum kind kind_by_name(const struct mf_rtti *rtti, uint64_t name)
{
	char text[64];

	if (!read_text(rtti, name, text, sizeof(text)))
		return KIND_NONE;
	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++)
		if (strcmp(text, kinds[i].name) == 0)
			return kinds[i].kind;
	return KIND_NONE;
}

/* Two steps up the ring, and it closes. */
static enum kind find_kind(const struct mf_rtti *rtti, uint64_t vptr)
{
	uint64_t address, above;
	struct head head, top;
	enum kind kind;

	if (!class_of_vptr(rtti, vptr, &address, &head))
		return KIND_NONE;
	kind = kind_by_name(rtti, head.name);
	if (kind == KIND_NONE ||
	    !class_of_vptr(rtti, head.vptr, &above, &top) ||
	    top.vptr != head.vptr ||
	    kind_by_name(rtti, top.name) != KIND_SINGLE)
		return KIND_NONE;
	return kind;
}

static enum kind kind_of(struct mf_rtti *rtti, uint64_t vptr)
{
	const uint64_t *known = mf_map_get(&rtti->kinds, vptr);
	enum kind kind;

	if (known)
		return (enum kind) * known;
	kind = find_kind(rtti, vptr);
	if (rtti->kinds.count < KNOWN_MAX)
		mf_map_set(&rtti->kinds, vptr, kind);
	return kind;
}

/* ---- classes ------------------------------------------------------------------ */

/* A name of a class: of a plain, a nested, a local one, or of std. */
static bool is_name(const char *name)
{
	if (!strchr("0123456789NSZ", *name) || !*name)
		return false;
	for (; *name; name++)
		if (*name <= ' ' && *name > 0)
			return false;
	return true;
}

static bool has_virtual_bases(struct climb *climb, uint64_t address);

/* A target may have bases that go round, or that are more than anybody has. */
static bool may_step(struct climb *climb)
{
	return climb->steps++ < STEPS_MAX && climb->rtti->climbs++ < CLIMBS_MAX;
}

/* Single: one base. Multiple: flags, a count, and of each the base and where. */
static bool any_base_is_virtual(struct climb *climb, uint64_t address)
{
	const uint64_t virtual_flag = 1;
	uint64_t at = address + sizeof(struct head) + sizeof(uint64_t);
	struct mf_target *target = climb->rtti->target;
	uint64_t base[2];
	uint32_t count;

	if (!mf_target_read_u32(target, at - sizeof(count), &count) ||
	    count > BASES_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++, at += sizeof(base)) {
		if (!may_step(climb) ||
		    !mf_target_try_read(target, at, base, sizeof(base)))
			return false;
		if (base[1] & virtual_flag || has_virtual_bases(climb, base[0]))
			return true;
	}
	return false;
}

static bool climb_bases(struct climb *climb, uint64_t address)
{
	struct mf_rtti *rtti = climb->rtti;
	struct head head;
	uint64_t base;

	if (!read_head(rtti, address, &head))
		return false;
	switch (kind_of(rtti, head.vptr)) {
	case KIND_SINGLE:
		return mf_target_read_u64(rtti->target, address + sizeof(head),
					  &base) &&
		       has_virtual_bases(climb, base);
	case KIND_MULTIPLE:
		return any_base_is_virtual(climb, address);
	case KIND_NONE:
	case KIND_CLASS:
		break;
	}
	return false;
}

static bool has_virtual_bases(struct climb *climb, uint64_t address)
{
	const struct mf_rtti *rtti = climb->rtti;
	const uint64_t *known = mf_map_get(&rtti->known, address);
	bool found;

	if (known && *known)
		return rtti->classes.items[*known - 1].virtual_bases;
	if (climb->depth > DEPTH_MAX || !may_step(climb))
		return false;
	climb->depth++;
	found = climb_bases(climb, address);
	climb->depth--;
	return found;
}

static bool read_class(struct mf_rtti *rtti, uint64_t address,
		       struct mf_rtti_class *ret)
{
	char name[NAME_MAX_BYTES];
	const char *start = name;
	struct climb climb = { .rtti = rtti };
	struct head head;

	if (!read_head(rtti, address, &head) ||
	    kind_of(rtti, head.vptr) == KIND_NONE ||
	    !read_text(rtti, head.name, name, sizeof(name)))
		return false;
	start += *start == '*';
	if (!is_name(start) || rtti->pool_size > NAMES_MAX)
		return false;
	rtti->pool_size += strlen(start) + 1;
	*ret = (struct mf_rtti_class){
		.address = address,
		.name = mf_pool_strdup(&rtti->pool, start),
		.internal = start != name || strstr(name, "_GLOBAL__N_"),
		.virtual_bases = has_virtual_bases(&climb, address),
	};
	return true;
}

int64_t mf_rtti_class_at(struct mf_rtti *rtti, uint64_t address)
{
	const uint64_t *known = mf_map_get(&rtti->known, address);
	struct mf_rtti_class class;

	if (known)
		return (int64_t)*known - 1;
	if (rtti->known.count >= KNOWN_MAX)
		return -1;
	if (!read_class(rtti, address, &class)) {
		mf_map_set(&rtti->known, address, 0);
		return -1;
	}
	mf_vec_push(&rtti->classes, class);
	mf_map_set(&rtti->known, address, rtti->classes.count);
	return (int64_t)rtti->classes.count - 1;
}

/* ---- names -------------------------------------------------------------------- */

static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : text;
}

char *mf_rtti_demangle(const char *name)
{
	bool symbol = strncmp(name, "_ZT", 3) == 0;
	mf_auto_free char *mangled =
		symbol ? mf_strdup(name) : mf_asprintf("_ZTS%s", name);
	mf_auto_free char *text = NULL;

	mangled[strcspn(mangled, "@")] = '\0';
	text = mf_demangle(mangled);
	if (strcmp(text, mangled) == 0)
		return mf_strdup(name);
	return mf_strdup(
		after(after(text, "typeinfo name for "), "vtable for "));
}
