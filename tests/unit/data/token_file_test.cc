#include "worker/data/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/unit/data/token_files.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TokenFormat Format(v1::Tokenizer tokenizer, int64_t context, int64_t vocabulary) {
  TokenFormat format;
  format.tokenizer = tokenizer;
  format.context = context;
  format.vocabulary = vocabulary;
  return format;
}
const TokenFormat kBytes = Format(v1::TOKENIZER_BYTES, 3, 256);
const TokenFormat kUint16 = Format(v1::TOKENIZER_UINT16, 3, 65536);

std::vector<int64_t> Sequence(const TokenFile& file, int64_t sequence, int64_t context = 3) {
  std::vector<int64_t> tokens(context + 1);
  const absl::Status read = file.Read(sequence, absl::MakeSpan(tokens));
  EXPECT_TRUE(read.ok()) << read;
  return tokens;
}

std::string ErrorOf(const std::string& path, const TokenFormat& format) {
  return std::string(TokenFile::Open(path, format).status().message());
}

TEST(TokenFile, SequencesShareOnlyTheTokenBetweenThem) {
  TestFolder folder;
  const auto file = TokenFile::Open(folder.Write("t", "\x01\x02\x03\x04\x05\x06\xff\x08"), kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tokens(), 8);
  EXPECT_EQ((*file)->sequences(), 2);
  EXPECT_THAT(Sequence(**file, 0), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Sequence(**file, 1), ElementsAre(4, 5, 6, 255));
}

TEST(TokenFile, TheLastTargetMustBeThere) {
  TestFolder folder;
  EXPECT_EQ((*TokenFile::Open(folder.Write("six", "123456"), kBytes))->sequences(), 1);
  EXPECT_EQ((*TokenFile::Open(folder.Write("seven", "1234567"), kBytes))->sequences(), 2);
}

TEST(TokenFile, Uint16IsLittleEndian) {
  TestFolder folder;
  const auto file =
      TokenFile::Open(folder.Write("t.bin", Uint16File({0, 256, 65535, 50256})), kUint16);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(Sequence(**file, 0), ElementsAre(0, 256, 65535, 50256));
}

TEST(TokenFile, IdsOf32BitsAreWhole) {
  TestFolder folder;
  const std::string bytes = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, '\xff', '\xff', '\xff', 0};
  const auto file =
      TokenFile::Open(folder.Write("t.bin", bytes), Format(v1::TOKENIZER_UINT32, 3, 1 << 24));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(Sequence(**file, 0), ElementsAre(1, 256, 65536, 16777215));
  // Beyond 2^31 it is beyond every vocabulary, and not below 0.
  const auto beyond = TokenFile::Open(folder.Write("u.bin", std::string(16, '\xff')),
                                      Format(v1::TOKENIZER_UINT32, 3, 1 << 24));
  ASSERT_TRUE(beyond.ok()) << beyond.status();
  std::vector<int64_t> tokens(4);
  EXPECT_THAT(std::string((*beyond)->Read(0, absl::MakeSpan(tokens)).message()),
              HasSubstr("is 4294967295; expected ids below"));
}

TEST(TokenFile, ErrorsNameTheFileAndWhatWouldBeRight) {
  TestFolder folder;
  const std::string& dir = folder.path();
  EXPECT_EQ(ErrorOf(dir + "/none", kBytes),
            dir +
                "/none cannot be read: No such file or directory; expected a file of tokens at "
                "this path, on this worker");
  EXPECT_EQ(ErrorOf(dir, kBytes), dir +
                                      " is a folder; expected a file of tokens, or a pattern for "
                                      "its files, such as " +
                                      dir + "/*.bin");
  EXPECT_EQ(ErrorOf("/dev/null", kBytes),
            "/dev/null is not a regular file; expected a file of tokens");
  EXPECT_EQ(ErrorOf(folder.Write("empty", ""), kBytes),
            dir + "/empty is empty; expected tokens, at least 4 (context + 1)");
  EXPECT_EQ(
      ErrorOf(folder.Write("short", "abc"), kBytes),
      dir + "/short has 3 tokens, fewer than one sequence; expected at least 4 (context + 1)");
  EXPECT_EQ(ErrorOf(folder.Write("short.bin", "abcdef"), kUint16),
            dir +
                "/short.bin has 3 tokens, fewer than one sequence; expected at least 4 "
                "(context + 1)");
  EXPECT_EQ(ErrorOf(folder.Write("odd.bin", "123456789"), kUint16),
            dir +
                "/odd.bin has 9 bytes; expected a multiple of 2, the bytes of a token with "
                "tokenizer uint16");
  EXPECT_EQ(ErrorOf(folder.Write("odd.bin", std::string(18, 'a')),
                    Format(v1::TOKENIZER_UINT32, 3, 65536)),
            dir +
                "/odd.bin has 18 bytes; expected a multiple of 4, the bytes of a token with "
                "tokenizer uint32");
}

TEST(TokenFile, AnUnreadableFileSaysSo) {
  TestFolder folder;
  const std::string path = folder.Write("secret", "12345678");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  // Root may read everything.
  if (geteuid() == 0) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const std::string error = ErrorOf(path, kBytes);
  if (getuid() == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_THAT(error, HasSubstr("/secret cannot be read: Permission denied"));
}

TEST(TokenFile, ANamedPipeDoesNotHang) {
  TestFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(ErrorOf(path, kBytes), HasSubstr("is not a regular file"));
}

TEST(TokenFile, ATokenBeyondTheVocabularyIsNamedByPositionAndValue) {
  TestFolder folder;
  const std::string path = folder.Write("t.bin", Uint16File({1, 2, 3, 4, 99, 100, 3}));
  const auto file = TokenFile::Open(path, Format(v1::TOKENIZER_UINT16, 3, 100));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(Sequence(**file, 0), ElementsAre(1, 2, 3, 4));
  std::vector<int64_t> tokens(4);
  const absl::Status read = (*file)->Read(1, absl::MakeSpan(tokens));
  EXPECT_EQ(read.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(read.message(),
            "token 5 of " + path + " is 100; expected ids below model.vocabulary, which is 100");
}

TEST(TokenFile, AFileThatShrinksIsAnErrorAndNoCrash) {
  TestFolder folder;
  const std::string path = folder.Write("t", std::string(100000, 'a'));
  const auto file = TokenFile::Open(path, kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::resize_file(path, 10);
  std::vector<int64_t> tokens(4);
  const absl::Status read = (*file)->Read((*file)->sequences() - 1, absl::MakeSpan(tokens));
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(read.message()), HasSubstr("has shrunk from 100000 to 10 bytes"));
}

}  // namespace
}  // namespace paci
