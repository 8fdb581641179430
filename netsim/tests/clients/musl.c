/* A static program with musl: its resolver asks all name servers at once, by one socket that is not connected.
   Where servers of both families are listed, that is an IPv6 socket, and IPv4 ones are mapped.

   usage: musl NAME|ADDRESS PORT. Calls each address in turn, and prints the line of the first that answers. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int call(const struct addrinfo *to)
{
	int caller = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 5 };
	if (caller < 0)
		return -1;
	setsockopt(caller, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(caller, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!connect(caller, to->ai_addr, to->ai_addrlen))
		return caller;
	close(caller);
	return -1;
}

/* Whether the other end is told to be who was called. */
static int is_told(int caller, const struct addrinfo *to)
{
	struct sockaddr_storage told;
	socklen_t length = sizeof(told);
	if (getpeername(caller, (struct sockaddr *)&told, &length) || length != to->ai_addrlen)
		return 0;
	return !memcmp(&told, to->ai_addr, length);
}

int main(int count, char **words)
{
	struct addrinfo how = { .ai_socktype = SOCK_STREAM }, *found;
	if (count != 3)
		return 2;
	int error = getaddrinfo(words[1], words[2], &how, &found);
	if (error) {
		fprintf(stderr, "%s: %s\n", words[1], gai_strerror(error));
		return 1;
	}
	for (; found; found = found->ai_next) {
		int caller = call(found);
		if (caller < 0)
			continue;
		char line[1024];
		if (!is_told(caller, found)) {
			fprintf(stderr, "the other end is told to be another than who was called\n");
			return 1;
		}
		FILE *answer = fdopen(caller, "r");
		if (!answer || !fgets(line, sizeof(line), answer)) {
			fprintf(stderr, "nothing is said\n");
			return 1;
		}
		fputs(line, stdout);
		return 0;
	}
	perror(words[1]);
	return 1;
}
