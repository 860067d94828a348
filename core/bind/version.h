/* The version, in one place. */
#ifndef EFF_BIND_VERSION_H
#define EFF_BIND_VERSION_H

#define EFF_VERSION "0.1.0"

#endif
