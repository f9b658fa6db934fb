#include "worker/data/token_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/data/token_files.h"

namespace paci {
namespace {

using ::testing::ElementsAre;

TokenFormat Context3() {
  TokenFormat format;
  format.context = 3;
  format.vocabulary = 256;
  return format;
}

std::vector<std::string> Sequences(const TokenSet& set) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < set.sequences(); ++i) {
    std::vector<int64_t> tokens(4);
    const absl::Status read = set.Read(i, absl::MakeSpan(tokens));
    EXPECT_TRUE(read.ok()) << read;
    all.emplace_back(tokens.begin(), tokens.end());
  }
  return all;
}

TEST(TokenSet, AFileIsASetOfItself) {
  TestFolder folder;
  const auto set = TokenSet::Open(folder.Write("t", "abcdefg"), Context3());
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT(Sequences(**set), ElementsAre("abcd", "defg"));
}

TEST(TokenSet, ShardsFollowEachOtherByNameAndNoSequenceGoesOverAnEnd) {
  TestFolder folder;
  folder.Write("b-10.bin", "ABCDEFGHIJ");
  folder.Write("b-02.bin", "abcdefgh");
  folder.Write("a-01.bin", "0123");
  folder.Write(".b-03.bin", "hidden");
  folder.Write("b-04.bin.partial", "partial");
  const auto all = TokenSet::Open(folder.path() + "/*.bin", Context3());
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(Sequences(**all), ElementsAre("0123", "abcd", "defg", "ABCD", "DEFG", "GHIJ"));
  const auto some = TokenSet::Open(folder.path() + "/b-[0-9]?.bin", Context3());
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_THAT(Sequences(**some), ElementsAre("abcd", "defg", "ABCD", "DEFG", "GHIJ"));
}

std::string ChecksumOf(const std::string& path) {
  const auto set = TokenSet::Open(path, Context3());
  EXPECT_TRUE(set.ok()) << set.status();
  return Describe(absl::MakeConstSpan(&*set, 1)).checksum();
}

TEST(TokenSet, EqualFilesHaveEqualChecksumsWhateverTheirNames) {
  TestFolder here;
  TestFolder there;
  here.Write("a.bin", "abcdefgh");
  here.Write("b.bin", "ijkl");
  there.Write("1", "abcdefgh");
  there.Write("2", "ijkl");
  const std::string checksum = ChecksumOf(here.path() + "/*");
  EXPECT_EQ(ChecksumOf(there.path() + "/*"), checksum);
  there.Write("2", "ijkm");
  EXPECT_NE(ChecksumOf(there.path() + "/*"), checksum);
  there.Write("2", "ijkl");
  there.Write("3", "mnop");
  EXPECT_NE(ChecksumOf(there.path() + "/*"), checksum);
  std::filesystem::remove(there.path() + "/3");
  EXPECT_EQ(ChecksumOf(there.path() + "/*"), checksum);
  std::filesystem::rename(there.path() + "/1", there.path() + "/3");  // another order
  EXPECT_NE(ChecksumOf(there.path() + "/*"), checksum);
}

TEST(TokenSet, OfALargeFileBeginningEndAndLengthAreInTheChecksum) {
  TestFolder folder;
  const std::string text(1 << 20, 'a');
  const std::string checksum = ChecksumOf(folder.Write("t", text));
  for (const size_t at : {size_t{0}, text.size() / 15 * 7, text.size() - 1}) {
    std::string other = text;
    other[at] = 'b';
    EXPECT_NE(ChecksumOf(folder.Write("t", other)), checksum) << at;
  }
  EXPECT_NE(ChecksumOf(folder.Write("t", text + "a")), checksum);
  EXPECT_EQ(ChecksumOf(folder.Write("t", text)), checksum);
}

TEST(TokenSet, ErrorsNameWhatIsWrong) {
  TestFolder folder;
  const auto error = [](const std::string& path) {
    return std::string(TokenSet::Open(path, Context3()).status().message());
  };
  EXPECT_EQ(error(folder.path() + "/*.bin"),
            "no file fits " + folder.path() +
                "/*.bin; expected at least one at this path, on this worker");
  EXPECT_EQ(error(folder.path() + "/none/*.bin"),
            "the folder of " + folder.path() +
                "/none/*.bin cannot be read: No such file or directory; expected one of token "
                "files there");
  folder.Write("a.bin", "0123");
  folder.Write("b.bin", "012");
  EXPECT_EQ(error(folder.path() + "/*.bin"),
            folder.path() +
                "/b.bin has 3 tokens, fewer than one sequence; expected at least 4 (context + 1)");
  std::filesystem::create_directory(folder.path() + "/c.bin");
  std::filesystem::remove(folder.path() + "/b.bin");
  EXPECT_THAT(error(folder.path() + "/*.bin"), testing::HasSubstr("/c.bin is a folder"));
}

}  // namespace
}  // namespace paci
