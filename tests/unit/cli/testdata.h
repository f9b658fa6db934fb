#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace paci::cli {

// The text of a file of the project, by its path from the root; a failed test and "" if it cannot
// be read.
std::string ReadProjectFile(const std::string& path);

// testdata/NAME.txtpb, read into `message`.
void ReadMessage(const std::string& name, google::protobuf::Message* message);

template <typename Message>
Message Read(const std::string& name) {
  Message message;
  ReadMessage(name, &message);
  return message;
}

// `actual` is, byte for byte, the content of the file at `path` from the root. With
// PACI_REGENERATE=1 the file is written instead.
void ExpectFile(const std::string& path, const std::string& actual);
// The same of testdata/NAME.golden.
void ExpectGolden(const std::string& name, const std::string& actual);

}  // namespace paci::cli
