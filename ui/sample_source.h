// SPDX-License-Identifier: GPL-3.0-or-later
// The samples that are answered wherever adapters are judged (Compare, Merge): the first rows of
// one file, read in a thread, and how tokens are chosen. One choice for all pages.
#pragma once

#include <QObject>
#include <QString>
#include <vector>

#include "engine/compare/sample.h"
#include "engine/data/columns.h"
#include "engine/session/session.h"

namespace luthier {

class SampleSource : public QObject {
  Q_OBJECT

 public:
  static constexpr std::size_t kUsual = 8;

  explicit SampleSource(QObject* parent = nullptr) : QObject(parent) {}

  /// The first `count` rows that can be read; a newer file takes the place of one being read.
  void read(const QString& file, std::size_t count, const std::filesystem::path& image_folder);
  /// Of the rows that are read from now on, where they are called otherwise.
  void set_columns(const ColumnMap& columns) { columns_ = columns; }
  const QString& file() const { return file_; }
  std::size_t asked() const { return asked_; }  ///< rows that were asked for last
  const std::vector<Sample>& samples() const { return samples_; }

  const GenerationOptions& options() const { return options_; }
  void set_options(const GenerationOptions& options);

 signals:
  void reading();  ///< file() and asked() are new
  void changed();
  void options_changed();
  void passed_over(const std::vector<luthier::Error>& rows);
  void failed(const luthier::Error& error);

 private:
  QString file_;
  ColumnMap columns_;
  std::size_t asked_ = 0;
  int ticket_ = 0;
  std::vector<Sample> samples_;
  GenerationOptions options_;
};

}  // namespace luthier
