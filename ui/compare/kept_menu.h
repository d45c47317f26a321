// SPDX-License-Identifier: GPL-3.0-or-later
// Comparisons that are kept with their runs, and come back: opening one attaches the columns that
// it lacks, moves their strengths, and puts samples, answers and votes where they were.
#pragma once

#include <QMenu>
#include <optional>

#include "ui/compare/live_comparison.h"

namespace luthier {

class KeptMenu : public QMenu {
  Q_OBJECT

 public:
  KeptMenu(Workspace& workspace, LiveComparison& comparison, QWidget* parent = nullptr);
  /// Reads it off the window's thread and puts it back.
  void open(const QString& file);
  /// Writes what stands now into its run.
  void keep();

 signals:
  void kept(const QString& file);
  /// Columns that are not there any more were left out.
  void opened(const QString& file, const QStringList& missing);
  void failed(const luthier::Error& error);

 private:
  void fill();
  void begin(Comparison comparison, const QString& file);
  void go_on();
  QStringList missing() const;

  Workspace& workspace_;
  LiveComparison& comparison_;
  std::optional<Comparison> opening_;
  QString file_;
};

}  // namespace luthier
