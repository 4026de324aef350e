/*
 * Reads a report in JSON back. It may be anybody's file: what it takes is
 * bounded, numbers are those that can be held exactly, and what is not of the
 * kind that was asked for is not there.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/report.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/units.h"

enum {
	TEXT_MOST = 64 << 20, /* bytes of one */
	SCHEMA = 1,
};

/* 2^64: what does not fit is no number of ours. */
#define NUMBER_MOST 18446744073709551616.0

struct mf_document {
	json_t *root;
};

/* ---- reading ----------------------------------------------------------- */

static struct mf_error *refuse(const char *name)
{
	return mf_error_hint(
		mf_error_create(MF_ERROR_FAILED, "cannot read the report %s",
				name),
		"a report is made with: memforensics attach PID --json -o "
		"FILE");
}

static struct mf_error *refuse_size(const char *name)
{
	char text[MF_UNIT_TEXT];

	return mf_error_why(refuse(name), "it is larger than %s",
			    mf_format_size(text, TEXT_MOST));
}

static struct mf_error *check_schema(const struct mf_document *document,
				     const char *name)
{
	const struct mf_node *root = mf_document_root(document);
	uint64_t schema;

	if (!mf_node_number(root, "schema", &schema) ||
	    !mf_node_text(mf_node_member(root, "tool"), "name"))
		return mf_error_why(refuse(name),
				    "it is JSON, but no report of this "
				    "program");
	if (schema != SCHEMA)
		return mf_error_why(refuse(name),
				    "it is of schema %llu, and this program "
				    "knows schema %d",
				    (unsigned long long)schema, SCHEMA);
	return NULL;
}

struct mf_error *mf_document_parse(const char *text, size_t size,
				   const char *name, struct mf_document **ret)
{
	struct mf_document *document;
	struct mf_error *error;
	json_error_t wrong;

	if (size > TEXT_MOST)
		return refuse_size(name);
	document = mf_new(struct mf_document);
	/* jansson's own integers end at 2^63, ours do not */
	document->root =
		json_loadb(text, size, JSON_DECODE_INT_AS_REAL, &wrong);
	error = document->root ? check_schema(document, name)
			       : mf_error_why(refuse(name), "line %d: %s",
					      wrong.line, wrong.text);
	if (error) {
		mf_document_destroy(document);
		return error;
	}
	*ret = document;
	return NULL;
}

struct mf_error *mf_document_read(const char *path, struct mf_document **ret)
{
	MF_AUTO_BUFFER(text);

	MF_TRY(mf_file_read_most(path, TEXT_MOST, &text));
	return mf_document_parse(mf_buffer_text(&text), text.size, path, ret);
}

void mf_document_destroy(struct mf_document *document)
{
	if (!document)
		return;
	json_decref(document->root);
	free(document);
}

/* ---- what is in it ----------------------------------------------------- */

/* A node is jansson's value; its type is nobody else's business. */
static const json_t *json_of(const struct mf_node *node)
{
	return (const json_t *)node;
}

static const struct mf_node *object_of(const json_t *json)
{
	return json_is_object(json) ? (const struct mf_node *)json : NULL;
}

static const json_t *member(const struct mf_node *node, const char *key)
{
	return json_object_get(json_of(node), key);
}

const struct mf_node *mf_document_root(const struct mf_document *document)
{
	return object_of(document->root);
}

const struct mf_node *mf_node_member(const struct mf_node *node,
				     const char *key)
{
	return object_of(member(node, key));
}

bool mf_node_has_table(const struct mf_node *node, const char *key)
{
	return json_is_array(member(node, key));
}

size_t mf_node_rows(const struct mf_node *node, const char *key)
{
	return json_array_size(member(node, key));
}

const struct mf_node *mf_node_row(const struct mf_node *node, const char *key,
				  size_t row)
{
	return object_of(json_array_get(member(node, key), row));
}

const char *mf_node_text(const struct mf_node *node, const char *key)
{
	return json_string_value(member(node, key));
}

bool mf_node_number(const struct mf_node *node, const char *key, uint64_t *ret)
{
	const json_t *value = member(node, key);
	const char *text = json_string_value(value);
	double real = json_real_value(value);

	if (text)
		return strncmp(text, "0x", 2) == 0 &&
		       mf_parse_number(text, ret);
	if (!json_is_real(value) || !(real >= 0) || real >= NUMBER_MOST)
		return false;
	*ret = (uint64_t)real;
	return true;
}
