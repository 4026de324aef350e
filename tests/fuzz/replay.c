/*
 * Gives a fuzzer the files of folders, one by one, as libFuzzer would: with any
 * compiler, and with or without sanitizers. The plan and the result are TAP.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "fuzz.h"

/* Shared with the parent, which tells when the child could not. */
struct progress {
	char path[4096];
	unsigned done;
};

static bool read_file(const char *path, uint8_t **bytes, size_t *size)
{
	FILE *file = fopen(path, "rb");
	long length;

	if (!file)
		return false;
	if (fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0 ||
	    fseek(file, 0, SEEK_SET)) {
		fclose(file);
		return false;
	}
	*size = (size_t)length;
	/* Of just that size, so that a sanitizer sees a byte too far. */
	*bytes = mf_calloc(*size ? *size : 1, 1);
	*size = fread(*bytes, 1, *size, file);
	fclose(file);
	return true;
}

static void replay_file(struct progress *progress, const char *path)
{
	uint8_t *bytes;
	size_t size;

	snprintf(progress->path, sizeof(progress->path), "%s", path);
	if (!read_file(path, &bytes, &size)) {
		fprintf(stderr, "cannot read it\n");
		exit(1);
	}
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	progress->done++;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(struct progress *progress, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_file, alphasort);

	if (count < 0) {
		replay_file(progress, path);
		return;
	}
	for (int i = 0; i < count; i++) {
		mf_auto_free char *name =
			mf_asprintf("%s/%s", path, entries[i]->d_name);

		replay_file(progress, name);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	struct progress *progress =
		mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	if (progress == MAP_FAILED)
		return 1;
	printf("1..1\n");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		for (int i = 1; i < argc; i++)
			replay(progress, argv[i]);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return 1;
	if (status == 0 && progress->done) {
		printf("ok 1 - %u inputs\n", progress->done);
		return 0;
	}
	printf("not ok 1 - %s\n", progress->path);
	printf("# status %#x after %u inputs\n", (unsigned)status,
	       progress->done);
	return 1;
}
