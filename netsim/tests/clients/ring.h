/* One io_uring, by the kernel's calls alone, one request at a time. */
#ifndef RING_H
#define RING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What tells a kernel without io_uring, or one that does not let us, from failures. */
#define NO_RING 77

struct ring {
	int file;
	unsigned char *rings;
	struct io_uring_params is;
	struct io_uring_sqe *entries;
	/* Of each request: whether a worker of the kernel does it from the beginning. */
	unsigned char flags;
};

/* `how`: at-once, by the calling thread as far as it goes; by-worker; by-thread, which asks for nothing but looks itself. */
static struct ring ring(const char *how)
{
	struct ring made = { .flags = strcmp(how, "by-worker") ? 0 : IOSQE_ASYNC };
	if (!strcmp(how, "by-thread"))
		made.is.flags = IORING_SETUP_SQPOLL;
	made.file = syscall(SYS_io_uring_setup, 4, &made.is);
	if (made.file < 0) {
		perror("io_uring_setup");
		exit(NO_RING);
	}
	const struct io_sqring_offsets *sq = &made.is.sq_off;
	const struct io_cqring_offsets *cq = &made.is.cq_off;
	size_t size = cq->cqes + made.is.cq_entries * sizeof(struct io_uring_cqe);
	if (size < sq->array + made.is.sq_entries * sizeof(unsigned))
		size = sq->array + made.is.sq_entries * sizeof(unsigned);
	made.rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, made.file, IORING_OFF_SQ_RING);
	made.entries = mmap(0, made.is.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
			    made.file, IORING_OFF_SQES);
	if (made.rings == MAP_FAILED || made.entries == MAP_FAILED || !(made.is.features & IORING_FEAT_SINGLE_MMAP)) {
		fprintf(stderr, "the rings cannot be mapped\n");
		exit(NO_RING);
	}
	return made;
}

static unsigned *at(struct ring *ring, unsigned offset)
{
	return (unsigned *)(ring->rings + offset);
}

/* Has one request done. As system calls: what it gives, or a negative error. */
static int done(struct ring *ring, struct io_uring_sqe request)
{
	const struct io_sqring_offsets *sq = &ring->is.sq_off;
	const struct io_cqring_offsets *cq = &ring->is.cq_off;
	unsigned tail = *at(ring, sq->tail), head = *at(ring, cq->head);
	unsigned slot = tail & *at(ring, sq->ring_mask);
	request.flags |= ring->flags;
	ring->entries[slot] = request;
	at(ring, sq->array)[slot] = slot;
	__atomic_store_n(at(ring, sq->tail), tail + 1, __ATOMIC_SEQ_CST);
	unsigned flags = IORING_ENTER_GETEVENTS;
	if (__atomic_load_n(at(ring, sq->flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, ring->file, 1, 1, flags, 0, 0) < 0)
		return -errno;
	while (__atomic_load_n(at(ring, cq->tail), __ATOMIC_ACQUIRE) == head)
		;
	struct io_uring_cqe *entry = (struct io_uring_cqe *)(ring->rings + cq->cqes);
	int result = entry[head & *at(ring, cq->ring_mask)].res;
	__atomic_store_n(at(ring, cq->head), head + 1, __ATOMIC_RELEASE);
	return result;
}

/* The same, where nothing but success counts. */
static int must(struct ring *ring, struct io_uring_sqe request, const char *what)
{
	int result = done(ring, request);
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-result));
		exit(1);
	}
	return result;
}

#endif
