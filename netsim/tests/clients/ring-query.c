/* A query by io_uring, of a socket that is not connected. Fails unless the answer comes from whom was asked.

   usage: ring-query at-once|by-worker|by-thread SERVER. Prints the address that the answer ends with. */
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include "ring.h"

/* example.mesh, its IPv4 address. */
static const char QUERY[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\4mesh\0\0\1\0\1";

int main(int count, char **words)
{
	struct addrinfo how = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *to;
	if (count != 3 || getaddrinfo(words[2], "53", &how, &to))
		return 2;
	struct ring made = ring(words[1]);
	int caller = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char answer[512], address[INET_ADDRSTRLEN];
	struct sockaddr_storage from = { 0 };
	struct iovec said = { (char *)QUERY, sizeof(QUERY) - 1 }, heard = { answer, sizeof(answer) };
	struct msghdr query = { .msg_name = to->ai_addr, .msg_namelen = to->ai_addrlen, .msg_iov = &said, .msg_iovlen = 1 };
	struct msghdr reply = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &heard, .msg_iovlen = 1 };
	struct io_uring_sqe ask = { .opcode = IORING_OP_SENDMSG, .fd = caller, .addr = (unsigned long)&query, .len = 1 };
	struct io_uring_sqe listen = { .opcode = IORING_OP_RECVMSG, .fd = caller, .addr = (unsigned long)&reply, .len = 1 };
	must(&made, ask, "sendmsg");
	int length = must(&made, listen, "recvmsg");
	if (reply.msg_namelen != to->ai_addrlen || memcmp(&from, to->ai_addr, to->ai_addrlen) || length < 16) {
		fprintf(stderr, "the answer comes from another than who was asked\n");
		return 1;
	}
	puts(inet_ntop(AF_INET, answer + length - 4, address, sizeof(address)));
	return 0;
}
