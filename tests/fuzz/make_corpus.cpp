// Writes the seeds of every fuzz target below a folder: right files of all kinds, and the malformed
// files of tests/client.
#include <cstdio>
#include <exception>
#include <random>
#include <string>

#include "client/measure/local.h"
#include "kernels/backend.h"
#include "proto/convert/statistics_file.h"
#include "tests/client/malformed_files.h"
#include "tests/fuzz/epoch_log_seeds.h"
#include "tests/server/receive/batch_messages.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

// The dictionary of a .npy, for the header's target.
std::string dictionary_of(const std::string& npy_bytes) {
  return npy_bytes.size() > 10 ? npy_bytes.substr(10, npy_bytes.find('\n') - 10) : npy_bytes;
}

std::vector<std::pair<std::string, std::string>> right_npy_files() {
  const std::string data(64, '\x01');
  return {{"f4", good_features()},
          {"f2", npy("<f2", {4, 8}, data)},
          {"f8_big", npy(">f8", {4, 2}, data)},
          {"f4_fortran", npy("<f4", {4, 4}, data, true)}};
}

void write_npz_seeds(const std::filesystem::path& folder) {
  for (const bool deflate : {false, true}) {
    const std::string kind = deflate ? "deflated" : "stored";
    const std::vector<ZipEntry> plain = {{"features.npy", good_features()},
                                         {"labels.npy", good_labels()}};
    write_zip(folder / (kind + ".npz"), plain, deflate);
    std::vector<ZipEntry> full = plain;
    full[0].bytes = npy("<f4", {4, 2}, std::string(32, '\x02'), true);
    full.push_back({"weight.npy", npy_matrix(std::vector<float>{1, 0, 0, 1}, 2, 2)});
    full.push_back({"bias.npy", npy_vector(std::vector<float>{0, 1})});
    full.push_back({"predictions.npy", npy_vector(std::vector<int64_t>{0, 1, 1, 0})});
    write_zip(folder / (kind + "_full.npz"), full, deflate);
  }
  for (const MalformedFile& file : malformed_npz_files()) {
    write_file(folder / ("bad_" + file.name), file.bytes);
  }
}

void write_ncstats_seeds(const std::filesystem::path& folder, const std::filesystem::path& npz) {
  const auto device = make_device(Backend::kCpu);
  for (const char* name : {"stored.npz", "stored_full.npz"}) {
    files::SampleSources sources;
    sources.files = {npz / name};
    const files::SampleSet set(sources);
    save_statistics(folder / (std::string(name) + ".ncstats"),
                    measure::local_statistics(*device, set, measure::MeasureOptions{}));
  }
}

// The first byte says how a message is cut.
void write_message_seeds(const std::filesystem::path& folder) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    write_file(folder / std::to_string(i),
               std::string(1, static_cast<char>(i)) + random_batch_message(random));
  }
}

void write_corpus(const std::filesystem::path& folder) {
  for (const char* target :
       {"npy_header", "npy", "npz", "ncstats", "batch_fields", "epoch_log", "epoch_restore"}) {
    std::filesystem::create_directories(folder / target);
  }
  for (const auto& [name, bytes] : right_npy_files()) {
    write_file(folder / "npy" / name, bytes);
    write_file(folder / "npy_header" / name, dictionary_of(bytes));
  }
  for (const MalformedFile& file : malformed_npy_files()) {
    write_file(folder / "npy" / ("bad_" + file.name), file.bytes);
    write_file(folder / "npy_header" / ("bad_" + file.name), dictionary_of(file.bytes));
  }
  write_npz_seeds(folder / "npz");
  write_message_seeds(folder / "batch_fields");
  write_ncstats_seeds(folder / "ncstats", folder / "npz");
  for (const auto& [name, bytes] : fuzz::epoch_log_seeds()) {
    write_file(folder / "epoch_log" / name, bytes);
    write_file(folder / "epoch_restore" / name, bytes);
  }
}

}  // namespace
}  // namespace ncscope::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_make_corpus FOLDER\n", stderr);
    return 2;
  }
  try {
    ncscope::testing::write_corpus(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_make_corpus: %s\n", error.what());
    return 1;
  }
  return 0;
}
