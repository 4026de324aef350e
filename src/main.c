/*
 * The program's entry.
 */
#include "cmd/command.h"

int main(int argc, char **argv)
{
	return mf_command_main(argc, argv);
}
