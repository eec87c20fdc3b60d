// The C++ client library on a server's port: `own` hands it memory, `copy` lets it copy; `durable`
// is `own` up to where a crash cannot lose the last batch, without a report.
#include "client/client.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "tests/bench/ingest/pipe.h"

namespace ncscope::bench {
namespace {

v1::Open open_request(size_t stream, size_t dim) {
  static int runs = 0;
  v1::Open open;
  open.mutable_key()->set_run("bench-" + std::to_string(getpid()) + "-" + std::to_string(++runs));
  open.mutable_key()->set_epoch(static_cast<uint32_t>(stream));
  open.set_num_classes(kClasses);
  open.set_dim(static_cast<uint32_t>(dim));
  open.set_data_type(v1::DATA_TYPE_FLOAT32);
  return open;
}

client::BatchBytes bytes_of(const Source::Batch& batch) {
  client::BatchBytes bytes;
  bytes.rows = batch.labels.size();
  bytes.features = std::as_bytes(std::span(batch.features));
  bytes.labels = std::as_bytes(std::span(batch.labels));
  return bytes;
}

void send_all(client::Series& series, bool own, const Load& load,
              const std::shared_ptr<const Source>& source) {
  for (size_t i = 0; i < load.batches_per_stream; ++i) {
    const client::BatchBytes bytes = bytes_of(source->batch(i));
    own ? series.send(bytes, source) : series.send(bytes);
  }
}

Stream connect_stream(const std::string& address, bool own, size_t stream, const Load& load,
                      std::shared_ptr<const Source> source) {
  auto client = std::make_shared<client::Client>(address);
  return [client, own, load, source, open = open_request(stream, load.dim)] {
    client::Series series = client->open(open);
    send_all(series, own, load, source);
    series.close();
  };
}

Stream connect_durable(const std::string& address, size_t stream, const Load& load,
                       std::shared_ptr<const Source> source) {
  struct Run {
    client::Client client;
    v1::Open open;
    ~Run() {
      try {
        client.delete_run(open.key().run());
      } catch (const client::ServerError&) {  // a sink has no runs
      }
    }
  };
  auto run = std::make_shared<Run>(client::Client(address), open_request(stream, load.dim));
  return [run, load, source] {
    client::Series series = run->client.open(run->open);
    send_all(series, true, load, source);
    while (series.durable() < load.batches_per_stream) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
}

}  // namespace
}  // namespace ncscope::bench

int main(int argc, char** argv) {
  using namespace ncscope::bench;
  const std::string mode = argc > 1 ? argv[1] : "";
  if (argc != 3 || (mode != "own" && mode != "copy" && mode != "durable")) {
    std::fprintf(stderr, "usage: %s own|copy|durable HOST:PORT\n", argv[0]);
    return 2;
  }
  return client_pipe([&](size_t stream, const Load& load, std::shared_ptr<const Source> source) {
    if (mode == "durable") return connect_durable(argv[2], stream, load, std::move(source));
    return connect_stream(argv[2], mode == "own", stream, load, std::move(source));
  });
}
