/* A connection by io_uring.

   usage: ring-connect at-once|by-worker|by-thread ADDRESS PORT. Prints the line of whoever answers. */
#include <netdb.h>
#include <sys/socket.h>

#include "ring.h"

int main(int count, char **words)
{
	struct addrinfo how = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *to;
	if (count != 4 || getaddrinfo(words[2], words[3], &how, &to))
		return 2;
	struct ring made = ring(words[1]);
	int caller = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[1024];
	struct io_uring_sqe call = { .opcode = IORING_OP_CONNECT, .fd = caller, .addr = (unsigned long)to->ai_addr,
				     .off = to->ai_addrlen };
	struct io_uring_sqe listen = { .opcode = IORING_OP_RECV, .fd = caller, .addr = (unsigned long)line,
				       .len = sizeof(line) };
	must(&made, call, "connect");
	int length = must(&made, listen, "recv");
	return fwrite(line, 1, length, stdout) != (size_t)length;
}
