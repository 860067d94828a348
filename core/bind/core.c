/* The Lua module effv2.core: what lua/effv2/ is built on. */
#include "bind/bind.h"

#include "bind/version.h"

__attribute__((visibility("default"))) int luaopen_effv2_core(lua_State *L);

int luaopen_effv2_core(lua_State *L)
{
    lua_newtable(L);
    lua_pushliteral(L, EFF_VERSION);
    lua_setfield(L, -2, "version");
    eff_open_tensor(L);
    eff_open_make(L);
    eff_open_ops(L);
    eff_open_tape(L);
    eff_open_trace(L);
    eff_open_layers(L);
    eff_open_kernels(L);
    eff_open_profile(L);
    eff_open_optim(L);
    eff_open_io(L);
    eff_open_lock(L);
    eff_open_json(L);
    eff_open_database(L);
    eff_open_process(L);
    eff_open_image(L);
    eff_open_source(L);
    eff_open_augment(L);
    eff_open_loader(L);
    eff_open_archives(L);
    eff_open_onnx(L);
    eff_open_system(L);
    return 1;
}
