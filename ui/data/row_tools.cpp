// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/row_tools.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QStandardPaths>
#include <QTimer>
#include <QToolButton>
#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/data/row_writing.h"
#include "engine/data/tools/near_duplicates.h"
#include "engine/data/tools/row_fixes.h"
#include "engine/data/tools/row_search.h"
#include "engine/data/tools/row_texts.h"
#include "engine/session/dataset_desk.h"
#include "ui/data/columns_dialog.h"
#include "ui/data/copy_dialog.h"
#include "ui/data/row_choices.h"
#include "ui/data/row_model.h"
#include "ui/data/statistics_dialog.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/model/fetch_dialog.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kSearchMilliseconds = 500;
constexpr const char* kUnknownKey = "unknown_key";

/// Whether a map says something of this table: one that was chosen for another names columns that
/// this one lacks.
bool of_these(const ColumnMap& map, const ColumnSurvey& survey) {
  if (map.columns.empty()) return !map.empty();
  return std::any_of(map.columns.begin(), map.columns.end(), [&](const auto& one) {
    const std::string name = one.second.substr(0, one.second.find('.'));
    return std::any_of(survey.columns.begin(), survey.columns.end(), [&](const ColumnFacts& facts) {
      return facts.name == one.second || facts.name == name;
    });
  });
}

}  // namespace

RowTools::RowTools(Workspace& workspace, RowModel& rows, QWidget* parent)
    : QWidget(parent), workspace_(workspace), rows_(rows), jobs_(new DataJobs(this)) {
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  search_ = new QLineEdit(this);
  search_->setObjectName(QStringLiteral("rowSearch"));
  search_->setClearButtonEnabled(true);
  only_findings_ = new QCheckBox(this);
  only_findings_->setObjectName(QStringLiteral("onlyFindings"));
  order_ = new QComboBox(this);
  order_->setObjectName(QStringLiteral("rowOrder"));
  order_->addItems({QString(), QString(), QString(), QString()});
  state_ = muted_label(this, 0.85);
  state_->setObjectName(QStringLiteral("rowState"));
  state_->setWordWrap(false);
  tools_ = new QToolButton(this);
  tools_->setObjectName(QStringLiteral("rowTools"));
  tools_->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(tools_);
  const auto action = [&](const char* name, auto done) {
    QAction* made = menu->addAction(QString());
    made->setObjectName(QLatin1String(name));
    connect(made, &QAction::triggered, this, done);
    return made;
  };
  columns_action_ = action("toolColumns", [this] { open_columns(); });
  statistics_action_ = action("toolStatistics", [this] { count_statistics(); });
  near_action_ = action("toolNear", [this] { find_near_duplicates(); });
  menu->addSeparator();
  split_action_ = action("toolSplit", [this] { open_copy(10); });
  copy_action_ = action("toolCopy", [this] { open_copy(0); });
  menu->addSeparator();
  cancel_action_ = action("toolCancel", [this] { jobs_->cancel(); });
  tools_->setMenu(menu);
  row->addWidget(search_, 1);
  row->addWidget(only_findings_);
  row->addWidget(order_);
  row->addWidget(tools_);
  row->addWidget(state_);
  pause_ = new QTimer(this);
  pause_->setSingleShot(true);
  pause_->setInterval(kSearchMilliseconds);
  connect(pause_, &QTimer::timeout, this, &RowTools::search);
  connect(search_, &QLineEdit::textChanged, pause_, qOverload<>(&QTimer::start));
  connect(search_, &QLineEdit::returnPressed, this, &RowTools::search);
  connect(only_findings_, &QCheckBox::toggled, this, &RowTools::apply);
  connect(order_, &QComboBox::currentIndexChanged, this, &RowTools::sort);
  connect(jobs_, &DataJobs::changed, this, [this] {
    cancel_action_->setEnabled(jobs_->busy());
    if (!jobs_->busy()) state_->clear();
  });
  connect(jobs_, &DataJobs::told, this, [this](const QString& what, int permille) {
    state_->setText(QStringLiteral("%1 %2 %").arg(what).arg(permille / 10));
  });
  cancel_action_->setEnabled(false);
  on_language(this, [this] { retranslate(); });
}

void RowTools::retranslate() {
  search_->setPlaceholderText(tr("Search the rows, or a column: label=cat, score>0.5"));
  search_->setAccessibleName(tr("Search the rows"));
  only_findings_->setText(tr("O&nly findings"));
  order_->setItemText(InFileOrder, tr("In their order"));
  order_->setItemText(LongestFirst, tr("Longest first"));
  order_->setItemText(ShortestFirst, tr("Shortest first"));
  order_->setItemText(FindingsFirst, tr("Findings first"));
  order_->setAccessibleName(tr("Order of the rows"));
  tools_->setText(tr("&Tools"));
  tools_->setAccessibleName(tr("What is done with all rows"));
  columns_action_->setText(tr("&Columns…"));
  statistics_action_->setText(tr("&Statistics"));
  near_action_->setText(tr("&Near-duplicates"));
  split_action_->setText(tr("S&plit for validation…"));
  copy_action_->setText(tr("Write a cleaned cop&y…"));
  cancel_action_->setText(tr("Stop what is being done"));
}

void RowTools::set_recipe(const Recipe& recipe, const std::vector<std::string>& files) {
  const std::string key = rows_key(recipe, files);
  const bool others = key != key_;
  recipe_ = recipe;
  files_ = files;
  // What they show is of the rows and the settings before; a copy that is being written goes on
  // where the rows are the same.
  if (columns_dialog_) columns_dialog_->close();
  if (copy_ && (others || !jobs_->busy())) copy_->close();
  if (others) {
    jobs_->set_recipe(recipe, files);
    kept_.erase(key_);
    if (!edits_.empty()) kept_[key_] = std::exchange(edits_, {});
    if (const auto kept = kept_.find(key); kept != kept_.end()) edits_ = kept->second;
    key_ = key;
    findings_.set_near({});
    lengths_.reset();
    columns_.clear();
  } else {
    for (const QString& what : {tr("Looking at columns"), tr("Counting"), tr("Comparing rows")})
      jobs_->cancel(what);
  }
  findings_.set_report(nullptr);
  found_.reset();
  shown_ = ++applied_;
  disconnect(copy_waits_);
  search_->clear();  // not quietly: its button to clear it goes by the signal
  pause_->stop();
  {
    const QSignalBlocker quiet_findings(only_findings_), quiet_order(order_);
    only_findings_->setChecked(false);
    order_->setCurrentIndex(InFileOrder);
  }
  setEnabled(!files.empty());
  if (!files.empty()) look_at_columns();
  emit edits_changed();
}

void RowTools::set_report(const std::shared_ptr<const DatasetReport>& report) {
  findings_.set_report(report);
  if (only_findings_->isChecked() || order_->currentIndex() == FindingsFirst) apply();
}

/// Columns are asked for before a person meets rows that cannot be read.
void RowTools::look_at_columns() {
  jobs_->run<ColumnsLooked>(
      tr("Looking at columns"),
      [kind = &row_kind_of(recipe_), question = tr("Describe the picture.").toStdString()](
          const Dataset& dataset, const RowProgress&) {
        return looked_at(dataset, *kind, question);
      },
      [this](const Result<ColumnsLooked>& looked) {
        if (!looked) return;  // the rows' own reading says why
        columns_.clear();
        for (const ColumnFacts& facts : looked->survey.columns)
          if (facts.kind == "text" || facts.kind == "number") columns_.push_back(facts.name);
        const auto map = column_map(recipe_);
        if (map && !of_these(*map, looked->survey) && !looked->guess.empty()) emit columns_wanted();
      });
}

void RowTools::open_columns() {
  jobs_->run<ColumnsLooked>(
      tr("Looking at columns"),
      [kind = &row_kind_of(recipe_), question = tr("Describe the picture.").toStdString()](
          const Dataset& dataset, const RowProgress&) {
        return looked_at(dataset, *kind, question);
      },
      [this](const Result<ColumnsLooked>& looked) {
        if (!looked) {
          if (looked.error().code != ErrorCode::Interrupted) emit failed(looked.error());
          return;
        }
        if (!columns_dialog_) {
          columns_dialog_ = new ColumnsDialog(window());
          connect(columns_dialog_, &ColumnsDialog::chosen, this, &RowTools::columns_chosen);
        }
        const auto map = column_map(recipe_);
        const bool known = map && of_these(*map, looked->survey);
        columns_dialog_->show_columns(*looked, known ? *map : ColumnMap(), row_kind_of(recipe_));
      });
}

void RowTools::count_statistics() {
  jobs_->run<DatasetStatistics>(
      tr("Counting"),
      [recipe = recipe_](const Dataset& dataset, const RowProgress& progress) {
        return recipe_statistics(recipe, dataset, progress);
      },
      [this](const Result<DatasetStatistics>& made) {
        if (!made) {
          if (made.error().code != ErrorCode::Interrupted) emit failed(made.error());
          return;
        }
        if (!statistics_) statistics_ = new StatisticsDialog(window());
        statistics_->show_statistics(*made);
      });
}

void RowTools::find_near_duplicates() {
  jobs_->run<std::vector<Finding>>(
      tr("Comparing rows"),
      [kind = &row_kind_of(recipe_)](const Dataset& dataset,
                                     const RowProgress& progress) -> Result<std::vector<Finding>> {
        LUTHIER_TRY(const auto found, near_duplicates(dataset, *kind, {}, progress));
        return near_duplicate_findings(dataset, found);
      },
      [this](Result<std::vector<Finding>> found) {
        if (!found) {
          if (found.error().code != ErrorCode::Interrupted) emit failed(found.error());
          return;
        }
        const auto rows = static_cast<int>(found->size());
        findings_.set_near(found.take());
        emit near_found();
        emit said(rows == 0 ? tr("No row is nearly another one.")
                            : tr("%n rows are nearly an earlier one.", nullptr, rows));
        apply();
      });
}

void RowTools::search() {
  pause_->stop();
  const std::string text = search_->text().trimmed().toStdString();
  if (text.empty()) {
    found_.reset();
    apply();
    return;
  }
  jobs_->cancel(tr("Searching"));  // an older one
  jobs_->run<std::vector<std::size_t>>(
      tr("Searching"),
      [text](const Dataset& dataset, const RowProgress& progress) {
        return find_rows(dataset, query_of(dataset, text), progress);
      },
      [this, text](Result<std::vector<std::size_t>> found) {
        if (text != search_->text().trimmed().toStdString()) return;
        if (!found) {
          if (found.error().code != ErrorCode::Interrupted) emit failed(found.error());
          return;
        }
        found_ = found.take();
        apply();
      });
}

void RowTools::sort() {
  const int by = order_->currentIndex();
  if ((by == LongestFirst || by == ShortestFirst) && !lengths_) {
    jobs_->run<RowLengthList>(
        tr("Measuring rows"),
        [](const Dataset& dataset, const RowProgress& progress) {
          return text_lengths(dataset, progress);
        },
        [this](Result<RowLengthList> lengths) {
          if (!lengths) {
            if (lengths.error().code != ErrorCode::Interrupted) emit failed(lengths.error());
            return;
          }
          lengths_ = std::make_shared<const RowLengthList>(lengths.take());
          apply();
        });
    return;
  }
  apply();
}

void RowTools::apply() {
  const int by = order_->currentIndex();
  const bool only = only_findings_->isChecked();
  ++applied_;
  if (!found_ && !only && by == InFileOrder) {
    shown_ = applied_;
    rows_.show_only(std::nullopt);
    emit filter_changed();
    return;
  }
  RowChoice choice;
  choice.rows = rows_.total();
  choice.found = found_;
  choice.only_findings = only;
  choice.by = by;
  if (by == LongestFirst || by == ShortestFirst) choice.lengths = lengths_;
  choice.findings = findings_;
  // A million rows take a while to sort.
  in_background_of(
      this, [choice = std::move(choice)]() mutable { return chosen_rows(std::move(choice)); },
      [this, ticket = applied_](std::vector<std::size_t> rows) {
        if (ticket != applied_) return;
        shown_ = ticket;
        rows_.show_only(std::move(rows));
        emit filter_changed();
      });
}

void RowTools::drop(std::size_t row, bool on) {
  if (on)
    edits_.dropped.insert(row);
  else
    edits_.dropped.erase(row);
  emit edits_changed();
}

void RowTools::fix(const Finding& finding) { fix(finding.kind, RowSet{finding.row}); }

void RowTools::fix(const std::string& kind, const RowSet& rows) {
  jobs_->run<FixedRows>(
      tr("Putting rows right"),
      [kind, rows, before = edits_.replaced](const Dataset& dataset, const RowProgress& progress) {
        return fixed_rows(dataset, kind, rows.rows(), before, progress);
      },
      [this](const Result<FixedRows>& fixed) {
        if (fixed)
          keep_fixed(fixed->rows, fixed->failed);
        else if (fixed.error().code != ErrorCode::Interrupted)
          emit failed(fixed.error());
      });
}

void RowTools::keep_fixed(const ReplacedRows& rows, std::size_t failed_rows) {
  edits_.replaced.put(rows);
  edits_.dropped.erase(rows.rows());
  emit edits_changed();
  if (failed_rows > 0)
    emit said(tr("%n rows could not be put right by themselves.", nullptr,
                 static_cast<int>(failed_rows)));
}

void RowTools::drop_kind(const std::string& kind) {
  edits_.dropped.insert(findings_.rows_of(kind));
  emit edits_changed();
  if (kind != kUnknownKey) return;
  with_all_keys([this](const KeyFixes& keys) {
    edits_.dropped.insert(keys.fixed.rows());
    edits_.dropped.insert(keys.left);
    emit edits_changed();
  });
}

void RowTools::fix_kind(const std::string& kind) {
  const RowSet rows = findings_.rows_of(kind);
  if (kind != kUnknownKey) return fix(kind, rows);
  edits_.dropped.erase(rows);
  with_all_keys([this](const KeyFixes& keys) { keep_fixed(keys.fixed, keys.left.size()); });
}

void RowTools::with_all_keys(std::function<void(const KeyFixes&)> use) {
  jobs_->run<KeyFixes>(
      tr("Putting rows right"),
      [edits = edits_](const Dataset& dataset, const RowProgress& progress) {
        return fixed_keys(dataset, edits, progress);
      },
      [this, use = std::move(use)](const Result<KeyFixes>& keys) {
        if (keys)
          use(*keys);
        else if (keys.error().code != ErrorCode::Interrupted)
          emit failed(keys.error());
      });
}

void RowTools::open_copy(double share) {
  disconnect(copy_waits_);
  if (shown_ != applied_) {  // the table is still that of an earlier wish
    copy_waits_ = connect(
        this, &RowTools::filter_changed, this, [this, share] { open_copy(share); },
        Qt::SingleShotConnection);
    return;
  }
  if (!copy_) {
    copy_ = new CopyDialog(*jobs_, window());
    connect(copy_, &CopyDialog::written, this, &RowTools::copy_written);
  }
  CopySource source;
  source.edits = edits_;
  RowSet unusable;
  if (const DatasetReport* report = findings_.report())
    for (const Finding& finding : report->findings)
      if (!finding.usable) unusable.insert(finding.row);
  source.unusable = unusable.rows();
  if (found_ || only_findings_->isChecked()) {
    source.shown.emplace();
    for (int row = 0; row < rows_.rowCount(); ++row) source.shown->push_back(rows_.row_at(row));
  }
  source.columns = columns_;
  if (!files_.empty()) source.file = std::filesystem::absolute(files_.front());
  copy_->show_copy(source, share);
}

void RowTools::open_fetch() {
  if (!fetch_) {
    fetch_ = new FetchDialog(workspace_, window(), HubKind::Dataset);
    connect(fetch_, &FetchDialog::load_asked, this, &RowTools::dataset_fetched);
  }
  fetch_->show();
  fetch_->raise();
  fetch_->activateWindow();
}

Result<std::filesystem::path> RowTools::pictures_file(const QStringList& pictures) {
  std::vector<Json> rows;
  for (const QString& picture : pictures) rows.push_back({{"image", picture.toStdString()}});
  const QString folder = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation) +
                         QStringLiteral("/dropped");
  std::error_code problem;
  std::filesystem::create_directories(to_path(folder), problem);
  for (int number = 1;; ++number) {
    const std::filesystem::path file =
        to_path(folder) / ("pictures-" + std::to_string(number) + ".jsonl");
    if (std::filesystem::exists(file, problem)) continue;
    LUTHIER_CHECK(write_rows(rows, file));
    return file;
  }
}

}  // namespace luthier
