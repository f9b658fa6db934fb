#pragma once

#include <c10/util/Exception.h>

#include <new>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paci {

// Of what LibTorch says with an error. Its allocator of host memory has no exception of its own.
inline absl::Status FromTorch(absl::string_view what, absl::string_view message) {
  if (absl::StrContains(message, "can't allocate memory")) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory"));
  }
  return absl::InternalError(absl::StrCat(what, ": ", message));
}

// Calls `work`, and makes what LibTorch throws a Status that begins with `what`: this is where its
// exceptions end. `what` is a function that returns text, called only then.
template <typename What, typename Work>
auto Guard(const What& what, const Work& work) -> std::invoke_result_t<Work> {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(what(), ": out of memory"));
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(absl::StrCat(what(), ": ", error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return FromTorch(what(), error.what_without_backtrace());
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what(), ": ", error.what()));
  }
}

}  // namespace paci
