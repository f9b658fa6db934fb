#include "common/gpu/shared_library.h"

#include <dlfcn.h>

#include <utility>

namespace paci {

absl::StatusOr<SharedLibrary> SharedLibrary::Open(const std::string& soname,
                                                  absl::string_view whose) {
  void* const handle = dlopen(soname.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(soname, " of ", whose, " cannot be loaded: ", dlerror()));
  }
  return SharedLibrary(soname, handle);
}

absl::StatusOr<void*> SharedLibrary::Symbol(const char* name) const {
  void* const symbol = dlsym(handle_, name);
  if (symbol == nullptr) {
    return absl::UnimplementedError(absl::StrCat(soname_, " has no ", name, ": another version"));
  }
  return symbol;
}

}  // namespace paci
