#pragma once

#include <string>

#include "paci/v1/worker.pb.h"

namespace paci {

// What a command says beside its name, as the scripts show it.
std::string DescribeForScript(const v1::Command& command);

}  // namespace paci
