/* bind() of IPv6 sockets: where the sidecar is going to listen, the network namespace is noted for the kernels that do not
   tell it later. */
#include "bind.h"

SECTION("cgroup/bind6") int tproxy_bind6(struct bpf_sock_addr *context)
{
	return note_namespace(context);
}
