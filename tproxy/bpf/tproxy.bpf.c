/* All programs, as one object: they share their maps. */
#include "connect4.c"
#include "connect6.c"
#include "sendmsg4.c"
#include "sendmsg6.c"
#include "recvmsg4.c"
#include "recvmsg6.c"
#include "getpeername4.c"
#include "getpeername6.c"
#include "bind4.c"
#include "bind6.c"
#include "sockops.c"
#undef OF
#include "getsockopt.c"
#undef OF
#include "sk_lookup.c"
#undef OF
#include "vnet_in.c"
#include "vnet_out.c"

/* Some helpers are for programs under this licence alone. */
char licence[] SECTION("license") = "GPL";
