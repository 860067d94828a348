/* Data sources, pipelines and loaders from Lua. */
#include "bind/bind.h"

void eff_open_data(lua_State *L) { (void)L; }
