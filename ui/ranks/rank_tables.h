// SPDX-License-Identifier: GPL-3.0-or-later
// The two tables of the Ranks page: adapters beside one another, in the colours of their curves,
// and the modules of the chosen one, sorted by a click on a heading.
#pragma once

#include <QTableWidget>
#include <memory>
#include <string>
#include <vector>

#include "ui/workspace.h"

namespace luthier {

/// An adapter on the Ranks page.
struct RankedAdapter {
  QString name, folder;  ///< as it was named
  bool live = false;     ///< the run that trains: read again at each checkpoint
  RequestId request = 0;
  std::shared_ptr<const AdapterRanks> ranks;  ///< null: not there yet
};

/// Of the adapter in this place.
QColor rank_colour(std::size_t place);

class RankAdapters : public QTableWidget {
  Q_OBJECT

 public:
  explicit RankAdapters(QWidget* parent);
  void show_adapters(const std::vector<RankedAdapter>& adapters, std::size_t current);

 signals:
  void chosen(int row);
  void drop_asked(int row);

 private:
  void fill_row(int row, const RankedAdapter& adapter);

  bool filling_ = false;
};

class RankModules : public QTableWidget {
  Q_OBJECT

 public:
  explicit RankModules(QWidget* parent);
  /// `ranks` may be null. The module of this name is the chosen one, else the first.
  void show_modules(std::shared_ptr<const AdapterRanks> ranks, const std::string& module);
  void choose(const std::string& module);
  /// The chosen module's name; empty: none.
  std::string current_module() const;

 signals:
  void chosen(std::size_t module);

 private:
  std::shared_ptr<const AdapterRanks> ranks_;
  bool filling_ = false;
};

}  // namespace luthier
