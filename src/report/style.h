/*
 * How the text report looks: glyphs and colours by what the terminal can show,
 * and values as people read them.
 */
#ifndef MF_REPORT_STYLE_H
#define MF_REPORT_STYLE_H

#include "memforensics/report.h"

#include "base/buffer.h"

struct mf_style {
	bool color, utf8, bytes;
};

enum mf_paint {
	MF_PAINT_NONE,
	MF_PAINT_TITLE,
	MF_PAINT_DIM,
	MF_PAINT_BAR,
	MF_PAINT_INFO,
	MF_PAINT_WARNING,
	MF_PAINT_CRITICAL,
};

enum mf_glyph {
	MF_GLYPH_ELLIPSIS,
	MF_GLYPH_RULE,
	MF_GLYPH_INFO,
	MF_GLYPH_WARNING,
	MF_GLYPH_CRITICAL,
};

/** UTF8 from the locale of the environment, the rest from OPTIONS. */
struct mf_style mf_style_from(const struct mf_report_options *options);

const char *mf_style_glyph(const struct mf_style *style, enum mf_glyph glyph);

/** What is added between these two is painted, when there is colour. */
void mf_style_paint(struct mf_buffer *buffer, const struct mf_style *style,
		    enum mf_paint paint);
void mf_style_plain(struct mf_buffer *buffer, const struct mf_style *style,
		    enum mf_paint paint);

/** Adds TEXT escaped, and without a byte that the locale cannot show. */
void mf_style_text(struct mf_buffer *buffer, const struct mf_style *style,
		   const char *text);

/** Adds VALUE as people read it. */
void mf_style_value(struct mf_buffer *buffer, const struct mf_style *style,
		    struct mf_value value);

/** Adds RATIO as a bar of at most COLUMNS columns, padded to them. */
void mf_style_bar(struct mf_buffer *buffer, const struct mf_style *style,
		  double ratio, unsigned columns);

/**
 * TEXT cut to COLUMNS with an ellipsis: a path at its front, anything else at
 * its end.
 */
void mf_style_cut(struct mf_buffer *buffer, const struct mf_style *style,
		  const char *text, unsigned columns);

/** Bytes of TEXT that fit into COLUMNS: all, or up to a blank if there is one. */
size_t mf_style_fit(const char *text, unsigned columns);

/** 0, "", false or not known. */
bool mf_style_is_empty(struct mf_value value);

#endif
