#pragma once

namespace paci {

// Of this build; PROJECT_VERSION of CMakeLists.txt.
inline constexpr char kVersion[] = PACI_VERSION;

}  // namespace paci
