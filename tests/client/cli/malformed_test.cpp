// Every malformed file gives exit 1 and exactly one line.
#include "ncscope/v1/statistics.pb.h"
#include "proto/convert/crc32c.h"
#include "tests/client/cli/cli.h"
#include "tests/client/malformed_files.h"

namespace ncscope::testing {
namespace {

TEST(CliMalformed, EveryNpzIsRefusedInOneLine) {
  const TemporaryFolder folder;
  for (const MalformedFile& file : malformed_npz_files()) {
    SCOPED_TRACE(file.name);
    const auto path = folder / (file.name + ".npz");
    write_file(path, file.bytes);
    expect_refusal(run_cli({"report", path.string()}), 1, file.expected);
  }
}

TEST(CliMalformed, EveryNpyIsRefusedInOneLine) {
  const TemporaryFolder folder;
  write_file(folder / "y.npy", good_labels());
  for (const MalformedFile& file : malformed_npy_files()) {
    SCOPED_TRACE(file.name);
    const auto path = folder / (file.name + ".npy");
    write_file(path, file.bytes);
    expect_refusal(
        run_cli({"report", "--features", path.string(), "--labels", (folder / "y.npy").string()}),
        1, file.expected);
  }
}

TEST(CliMalformed, StatesAreRefusedInOneLine) {
  const TemporaryFolder folder;
  write_zip(folder / "x.npz", {{"features.npy", good_features()}, {"labels.npy", good_labels()}});
  const std::string state = (folder / "x.ncstats").string();
  cli_output({"stats", (folder / "x.npz").string(), "-o", state});
  const std::string good = read_file(state);
  const auto refuse = [&](const std::string& bytes) {
    write_file(folder / "bad.ncstats", bytes);
    expect_refusal(run_cli({"merge", state, (folder / "bad.ncstats").string()}), 1, "bad.ncstats");
  };
  refuse("");
  refuse("PK\x03\x04");
  refuse(good.substr(0, 8));
  refuse(good.substr(0, good.size() - 1));
  refuse(good.substr(0, good.size() / 2));
  std::string flipped = good;
  flipped[good.size() / 2] ^= 1;
  refuse(flipped);
  // A text that is not UTF-8, of which protobuf would complain by itself.
  v1::StatisticsHeader header;
  header.set_layout_version(1);
  header.set_definitions_version("1");
  std::string message = header.SerializeAsString();
  message.back() = '\xff';
  const auto length = static_cast<uint32_t>(message.size());
  refuse("NCSTATS1" + raw<uint32_t>({length, crc32c(message.data(), length)}) + message);
}

}  // namespace
}  // namespace ncscope::testing
