/* bind() of IPv4 sockets: where the sidecar is going to listen, the network namespace is noted for the kernels that do not
   tell it later. */
#include "bind.h"

SECTION("cgroup/bind4") int tproxy_bind4(struct bpf_sock_addr *context)
{
	return note_namespace(context);
}
