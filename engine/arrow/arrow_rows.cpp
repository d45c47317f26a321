// SPDX-License-Identifier: GPL-3.0-or-later
// Files as pieces (a Parquet file's row groups, an Arrow file's batches), of which the few that
// were were read last are kept: rows come one by one, and a piece is read as a whole.
#include "engine/arrow/arrow_rows.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/arrow/json_values.h"

namespace luthier::arrow_module {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

/// A piece as it is read: most often one batch, and several where a column of it is longer than one
/// array can be (2 GiB of texts or pictures).
using Batches = std::vector<Batch>;
using Piece = std::shared_ptr<const Batches>;

constexpr std::int64_t kLargestPiece = std::int64_t{4} << 30;

/// Where pieces come from.
class Pieces {
 public:
  virtual ~Pieces() = default;
  virtual arrow::Result<Batches> read(std::size_t piece) = 0;
  std::vector<std::int64_t> rows;  ///< of each piece
  std::shared_ptr<arrow::Schema> schema;
};

class ParquetPieces : public Pieces {
 public:
  static arrow::Result<std::unique_ptr<Pieces>> open(
      const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
    auto pieces = std::make_unique<ParquetPieces>();
    ARROW_ASSIGN_OR_RAISE(pieces->reader_,
                          parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
    pieces->reader_->set_use_threads(false);
    ARROW_RETURN_NOT_OK(pieces->reader_->GetSchema(&pieces->schema));
    const auto facts = pieces->reader_->parquet_reader()->metadata();
    for (int i = 0; i < facts->num_row_groups(); ++i) {
      const auto group = facts->RowGroup(i);
      if (group->num_rows() < 0 || group->total_byte_size() < 0)
        return arrow::Status::Invalid("one of its row groups says a negative size");
      if (group->total_byte_size() > kLargestPiece)
        return arrow::Status::Invalid("one of its row groups is larger than 4 GiB");
      pieces->rows.push_back(group->num_rows());
    }
    return std::unique_ptr<Pieces>(std::move(pieces));
  }
  arrow::Result<Batches> read(std::size_t piece) override {
    const auto read = reader_->ReadRowGroup(static_cast<int>(piece));
    if (!read.ok()) return said(read.status());
    const std::shared_ptr<arrow::Table>& table = *read;
    ARROW_RETURN_NOT_OK(table->Validate());
    return arrow::TableBatchReader(*table).ToRecordBatches();  // nothing is copied
  }

 private:
  /// Within a list or a struct Arrow reads no column of several arrays, and says so in its own
  /// terms.
  static arrow::Status said(const arrow::Status& status) {
    if (!status.IsNotImplemented() || status.message().find("chunked") == std::string::npos)
      return status;
    return arrow::Status::Invalid(
        "its row group holds more than 2 GiB of texts or pictures in one column; write the file "
        "with smaller row groups");
  }

  std::unique_ptr<parquet::arrow::FileReader> reader_;
};

class FilePieces : public Pieces {
 public:
  static arrow::Result<std::unique_ptr<Pieces>> open(
      const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
    auto pieces = std::make_unique<FilePieces>();
    ARROW_ASSIGN_OR_RAISE(pieces->reader_, arrow::ipc::RecordBatchFileReader::Open(file));
    pieces->schema = pieces->reader_->schema();
    for (int i = 0; i < pieces->reader_->num_record_batches(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const Batch batch, pieces->reader_->ReadRecordBatch(i));
      pieces->rows.push_back(batch->num_rows());
    }
    return std::unique_ptr<Pieces>(std::move(pieces));
  }
  arrow::Result<Batches> read(std::size_t piece) override {
    ARROW_ASSIGN_OR_RAISE(Batch batch, reader_->ReadRecordBatch(static_cast<int>(piece)));
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    return Batches{std::move(batch)};
  }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
};

/// A stream has no list of its batches: where they begin is found by reading it through once. One
/// whose columns are dictionaries cannot be entered in its middle and is kept as it is read.
class StreamPieces : public Pieces {
 public:
  static arrow::Result<std::unique_ptr<Pieces>> open(
      const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
    auto pieces = std::make_unique<StreamPieces>();
    pieces->file_ = file;
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(file));
    pieces->schema = reader->schema();
    const bool whole = has_dictionaries(pieces->schema->fields());
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const std::int64_t at, file->Tell());
      Batch batch;
      ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
      if (!batch) break;
      pieces->begins_.push_back(at);
      pieces->rows.push_back(batch->num_rows());
      if (whole) {
        ARROW_RETURN_NOT_OK(batch->ValidateFull());
        pieces->kept_.push_back(std::move(batch));
      }
    }
    return std::unique_ptr<Pieces>(std::move(pieces));
  }
  arrow::Result<Batches> read(std::size_t piece) override {
    if (!kept_.empty()) return Batches{kept_[piece]};
    ARROW_RETURN_NOT_OK(file_->Seek(begins_[piece]));
    ARROW_ASSIGN_OR_RAISE(const auto message, arrow::ipc::ReadMessage(file_.get()));
    if (!message) return arrow::Status::Invalid("the file became shorter");
    ARROW_ASSIGN_OR_RAISE(Batch batch,
                          arrow::ipc::ReadRecordBatch(*message, schema, nullptr,
                                                      arrow::ipc::IpcReadOptions::Defaults()));
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    return Batches{std::move(batch)};
  }

 private:
  static bool has_dictionaries(const arrow::FieldVector& fields) {
    return std::any_of(fields.begin(), fields.end(), [](const auto& field) {
      return field->type()->id() == arrow::Type::DICTIONARY ||
             has_dictionaries(field->type()->fields());
    });
  }
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::vector<std::int64_t> begins_;
  std::vector<Batch> kept_;
};

arrow::Result<std::unique_ptr<Pieces>> open_pieces(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto start, file->ReadAt(0, 6));
  const std::string_view magic(*start);
  if (magic.starts_with("PAR1")) return ParquetPieces::open(file);
  if (magic.starts_with("ARROW1")) return FilePieces::open(file);
  ARROW_RETURN_NOT_OK(file->Seek(0));  // a position is not known after ReadAt
  return StreamPieces::open(file);
}

char* copied(std::string_view text) {
  char* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (!copy) return nullptr;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

void tell(char** fault, const std::string& why) {
  if (fault) *fault = copied(why.substr(0, why.find('\n')));
}

/// The pieces that were read last, of all tables together: a dataset may be a thousand files.
class KeptPieces {
 public:
  Piece find(const void* table, std::size_t piece) {
    const std::lock_guard lock(mutex_);
    for (auto each = kept_.begin(); each != kept_.end(); ++each) {
      if (each->table != table || each->piece != piece) continue;
      kept_.splice(kept_.begin(), kept_, each);
      return kept_.front().read;
    }
    return nullptr;
  }
  void add(const void* table, std::size_t piece, const Piece& read) {
    std::uint64_t bytes = 0;
    for (const Batch& batch : *read)
      bytes += static_cast<std::uint64_t>(arrow::util::TotalBufferSize(*batch));
    const std::lock_guard lock(mutex_);
    kept_.push_front({table, piece, read, bytes});
    bytes_ += bytes;
    while (kept_.size() > 1 && bytes_ > kMostBytes) {
      bytes_ -= kept_.back().bytes;
      kept_.pop_back();
    }
  }
  void forget(const void* table) {
    const std::lock_guard lock(mutex_);
    kept_.remove_if([&](const Entry& entry) {
      if (entry.table == table) bytes_ -= entry.bytes;
      return entry.table == table;
    });
  }

 private:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{512} << 20;
  struct Entry {
    const void* table;
    std::size_t piece;
    Piece read;
    std::uint64_t bytes;
  };
  std::mutex mutex_;
  std::list<Entry> kept_;  // newest first
  std::uint64_t bytes_ = 0;
};

KeptPieces& kept_pieces() {
  static KeptPieces kept;
  return kept;
}

}  // namespace
}  // namespace luthier::arrow_module

struct LuthierArrowTable {
  std::unique_ptr<luthier::arrow_module::Pieces> pieces;
  std::vector<std::uint64_t> first;  // row of each piece
  std::uint64_t rows = 0;
  std::mutex mutex;  // of reading

  ~LuthierArrowTable() { luthier::arrow_module::kept_pieces().forget(this); }

  arrow::Result<luthier::arrow_module::Piece> read(std::size_t piece) {
    auto& kept = luthier::arrow_module::kept_pieces();
    if (auto known = kept.find(this, piece)) return known;
    const std::lock_guard lock(mutex);
    if (auto known = kept.find(this, piece)) return known;  // another thread has read it meanwhile
    ARROW_ASSIGN_OR_RAISE(auto batches, pieces->read(piece));
    std::int64_t count = 0;
    for (const auto& batch : batches) count += batch->num_rows();
    if (count != pieces->rows[piece])
      return arrow::Status::Invalid("the file changed while it was in use");
    auto whole = std::make_shared<const luthier::arrow_module::Batches>(std::move(batches));
    kept.add(this, piece, whole);
    return luthier::arrow_module::Piece(std::move(whole));
  }
};

namespace luthier::arrow_module {
namespace {

LuthierArrowTable* open_table(const char* path, char** fault) {
  try {
    auto pieces = open_pieces(path);
    if (!pieces.ok()) {
      tell(fault, pieces.status().message());
      return nullptr;
    }
    auto table = std::make_unique<LuthierArrowTable>();
    table->pieces = std::move(*pieces);
    for (const std::int64_t rows : table->pieces->rows) {
      table->first.push_back(table->rows);
      table->rows += static_cast<std::uint64_t>(rows);
    }
    return table.release();
  } catch (const std::exception& failure) {
    tell(fault, failure.what());
    return nullptr;
  }
}

void close_table(LuthierArrowTable* table) { delete table; }

std::uint64_t table_rows(const LuthierArrowTable* table) { return table->rows; }

char* table_row(LuthierArrowTable* table, std::uint64_t row, std::uint64_t* size, char** fault) {
  try {
    const auto after = std::upper_bound(table->first.begin(), table->first.end(), row);
    if (row >= table->rows || after == table->first.begin()) {
      tell(fault, "the row is not there");
      return nullptr;
    }
    const auto piece = static_cast<std::size_t>(after - table->first.begin()) - 1;
    const auto read = table->read(piece);
    if (!read.ok()) {
      tell(fault, read.status().message());
      return nullptr;
    }
    auto left = static_cast<std::int64_t>(row - table->first[piece]);
    auto batch = (*read)->begin();  // whose rows together are the piece's
    for (; left >= (*batch)->num_rows(); ++batch) left -= (*batch)->num_rows();
    std::string json;
    const arrow::Status status = append_row(json, **batch, left);
    if (!status.ok()) {
      tell(fault, status.message());
      return nullptr;
    }
    *size = json.size();
    return copied(json);
  } catch (const std::exception& failure) {
    tell(fault, failure.what());
    return nullptr;
  }
}

char* table_note(const LuthierArrowTable* table, const char* key) {
  const auto& notes = table->pieces->schema->metadata();
  if (!notes) return nullptr;
  const int at = notes->FindKey(key);
  return at < 0 ? nullptr : copied(notes->value(at));
}

void free_text(char* text) { std::free(text); }

}  // namespace
}  // namespace luthier::arrow_module

extern "C" __attribute__((visibility("default"))) const LuthierArrowEntries*
luthier_arrow_entries() {
  namespace module = luthier::arrow_module;
  static const LuthierArrowEntries entries{
      LUTHIER_ARROW_VERSION, module::open_table, module::close_table, module::table_rows,
      module::table_row,     module::table_note, module::free_text};
  return &entries;
}
