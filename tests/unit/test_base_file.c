/*
 * Output files: private, complete or not there, and never through a link.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "unit.h"

struct place {
	char directory[32];
	char *path;
};

static int make_place(void **state)
{
	struct place *place = mf_new(struct place);

	strcpy(place->directory, "/tmp/mf-file-XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	place->path = mf_asprintf("%s/out", place->directory);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	rmdir(place->directory);
	free(place->path);
	free(place);
	return 0;
}

static unsigned count_files(const struct place *place)
{
	DIR *directory = opendir(place->directory);
	unsigned count = 0;

	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void expect_content(const struct place *place, const char *expected)
{
	MF_AUTO_BUFFER(content);

	assert_null(mf_file_read(place->path, &content));
	assert_string_equal(mf_buffer_text(&content), expected);
}

static void write_out(const struct place *place, const char *text, bool force,
		      bool commit)
{
	struct mf_output *output = NULL;

	assert_null(mf_output_create(place->path, force, &output));
	fputs(text, mf_output_stream(output));
	if (commit)
		assert_null(mf_output_commit(output));
	mf_output_destroy(output);
}

static void a_file_appears_whole_and_private(void **state)
{
	struct place *place = *state;
	struct stat status;

	write_out(place, "hello", false, true);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(count_files(place), 1);
	expect_content(place, "hello");
}

static void without_commit_nothing_is_left(void **state)
{
	struct place *place = *state;

	write_out(place, "half", false, false);
	assert_int_equal(count_files(place), 0);
	mf_output_destroy(NULL);
}

static void an_existing_file_needs_force(void **state)
{
	struct place *place = *state;
	struct mf_output *output = NULL;
	struct mf_error *error;

	write_out(place, "old", false, true);
	error = mf_output_create(place->path, false, &output);
	assert_non_null(error);
	assert_string_equal(error->why, "it exists");
	mf_error_destroy(error);
	expect_content(place, "old");
	write_out(place, "new", true, true);
	expect_content(place, "new");
	assert_int_equal(count_files(place), 1);
}

/* Somebody else makes the file while ours is being written. */
static void a_file_that_came_meanwhile_is_kept(void **state)
{
	struct place *place = *state;
	struct mf_output *output = NULL;
	struct mf_error *error;
	FILE *other;

	assert_null(mf_output_create(place->path, false, &output));
	other = fopen(place->path, "w");
	assert_non_null(other);
	fputs("theirs", other);
	fclose(other);
	error = mf_output_commit(output);
	assert_non_null(error);
	mf_error_destroy(error);
	mf_output_destroy(output);
	expect_content(place, "theirs");
	assert_int_equal(count_files(place), 1);
}

static void links_and_directories_are_refused(void **state)
{
	struct place *place = *state;
	struct mf_output *output = NULL;
	struct mf_error *error;

	assert_int_equal(symlink("/tmp/elsewhere", place->path), 0);
	error = mf_output_create(place->path, true, &output);
	assert_non_null(error);
	assert_string_equal(error->why, "it is a symbolic link");
	mf_error_destroy(error);
	error = mf_output_create(place->directory, true, &output);
	assert_non_null(error);
	mf_error_destroy(error);
}

/* Before anything is written, which would be for nothing. */
static void a_name_that_cannot_be_is_refused(void **state)
{
	struct place *place = *state;
	struct mf_output *output = NULL;
	struct mf_error *error;
	MF_AUTO_BUFFER(name);

	mf_buffer_printf(&name, "%s/", place->directory);
	for (unsigned i = 0; i < 300; i++)
		mf_buffer_add(&name, "n", 1);
	error = mf_output_create(name.text, false, &output);
	assert_non_null(error);
	assert_string_equal(error->why, "File name too long");
	mf_error_destroy(error);
	error = mf_output_create("", false, &output);
	assert_non_null(error);
	assert_string_equal(error->what, "cannot write ''");
	mf_error_destroy(error);
	assert_null(output);
}

static void a_missing_file_is_an_error(void **state)
{
	struct place *place = *state;
	MF_AUTO_BUFFER(content);
	struct mf_error *error = mf_file_read(place->path, &content);

	assert_non_null(error);
	assert_string_equal(error->why, "No such file or directory");
	mf_error_destroy(error);
	error = mf_file_read(place->directory, &content);
	assert_non_null(error);
	mf_error_destroy(error);
}

static void a_large_file_is_read_whole(void **state)
{
	struct place *place = *state;
	struct mf_output *output = NULL;
	MF_AUTO_BUFFER(content);

	assert_null(mf_output_create(place->path, false, &output));
	for (unsigned i = 0; i < 100000; i++)
		fprintf(mf_output_stream(output), "%u\n", i);
	assert_null(mf_output_commit(output));
	mf_output_destroy(output);
	assert_null(mf_file_read(place->path, &content));
	assert_int_equal(content.size, 588890);
}

int main(void)
{
#define IN_PLACE(test) \
	cmocka_unit_test_setup_teardown(test, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		IN_PLACE(a_file_appears_whole_and_private),
		IN_PLACE(without_commit_nothing_is_left),
		IN_PLACE(an_existing_file_needs_force),
		IN_PLACE(a_file_that_came_meanwhile_is_kept),
		IN_PLACE(links_and_directories_are_refused),
		IN_PLACE(a_name_that_cannot_be_is_refused),
		IN_PLACE(a_missing_file_is_an_error),
		IN_PLACE(a_large_file_is_read_whole),
	};

	return cmocka_run_group_tests_name("base file", tests, NULL, NULL);
}
