#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paci {

// A library that is loaded at run time and stays loaded. Thread-safe.
class SharedLibrary {
 public:
  // By its soname, where the loader looks. `whose`: what it belongs to, for the error NOT_FOUND.
  static absl::StatusOr<SharedLibrary> Open(const std::string& soname, absl::string_view whose);

  // Into `function`, which has the type of the header. UNIMPLEMENTED: the library has none of that
  // name.
  template <typename Function>
  absl::Status Find(const char* name, Function*& function) const {
    const absl::StatusOr<void*> symbol = Symbol(name);
    if (symbol.ok()) function = reinterpret_cast<Function*>(*symbol);
    return symbol.status();
  }

  const std::string& soname() const { return soname_; }

 private:
  SharedLibrary(std::string soname, void* handle) : soname_(std::move(soname)), handle_(handle) {}
  absl::StatusOr<void*> Symbol(const char* name) const;

  std::string soname_;
  void* handle_;
};

}  // namespace paci
