// SPDX-License-Identifier: GPL-3.0-or-later
// Writing a comparison; only answers that are there are written.
#include "ui/compare/compare_export.h"

#include <QBuffer>
#include <QCoreApplication>
#include <QFile>

#include "engine/io/json.h"
#include "engine/vision/image.h"
#include "ui/compare/word_diff.h"
#include "ui/format.h"

namespace luthier {

namespace {

const AttachedAdapter* adapter_of(const Workspace& workspace, const Comparison::Column& column) {
  for (const AttachedAdapter& adapter : workspace.adapters())
    if (column.name == adapter.name) return &adapter;
  return nullptr;
}

QString html_text(const char* text) { return QCoreApplication::translate("CompareExport", text).toHtmlEscaped(); }

QString picture_html(const QString& path) {
  const auto decoded = decode_image(to_path(path));
  if (!decoded) return {};
  const auto png = encode_png(thumbnail(*decoded, 256));
  if (!png) return {};
  const QByteArray bytes(reinterpret_cast<const char*>(png->data()), static_cast<qsizetype>(png->size()));
  return QStringLiteral("<img alt='' src='data:image/png;base64,%1'>").arg(QString::fromLatin1(bytes.toBase64()));
}

QString answer_html(const Answer& answer, const QString* reference) {
  QString html;
  qsizetype at = 0;
  if (reference)
    for (const TextRange& range : changed_words(*reference, answer.text)) {
      html += answer.text.mid(at, range.begin - at).toHtmlEscaped() + QStringLiteral("<mark>") + answer.text.mid(range.begin, range.end - range.begin).toHtmlEscaped() + QStringLiteral("</mark>");
      at = range.end;
    }
  return html + answer.text.mid(at).toHtmlEscaped();
}

}  // namespace

QByteArray comparison_json(const Workspace& workspace, const Comparison& comparison) {
  Json document;
  document["columns"] = Json::array();
  document["rows"] = Json::array();
  document["scores"] = Json::object();
  for (std::size_t c = 0; c < comparison.columns().size(); ++c) {
    const auto& column = comparison.columns()[c];
    const AttachedAdapter* adapter = adapter_of(workspace, column);
    const std::string name = column.name.value_or("base");
    document["columns"].push_back({{"name", name}, {"adapter", adapter ? Json(adapter->folder.string()) : Json(nullptr)}, {"bytes", adapter ? adapter->bytes : 0}});
    const auto [right, counted] = comparison.exact_matches(c);
    document["scores"][name] = {{"exact_match", counted > 0 ? Json(static_cast<double>(right) / counted) : Json(nullptr)}, {"counted", counted}};
  }
  for (std::size_t s = 0; s < comparison.samples().size(); ++s) {
    Json row;
    row["sample"] = {{"where", comparison.samples()[s].where},
                     {"picture", comparison.picture(s).toStdString()},
                     {"prompt", comparison.question(s).toStdString()},
                     {"expected", comparison.expected(s).toStdString()}};
    row["answers"] = Json::array();
    for (const auto& column : comparison.columns()) {
      const Answer& answer = column.answers[s];
      if (!answer.final) {
        row["answers"].push_back(nullptr);
        continue;
      }
      Json ids = Json::array(), logprobs = Json::array();
      for (const AnswerToken& token : answer.tokens) {
        ids.push_back(token.id);
        logprobs.push_back(token.logprob);
      }
      const QString wanted = comparison.expected(s);
      row["answers"].push_back({{"text", answer.text.toStdString()},
                                {"token_ids", ids},
                                {"logprobs", logprobs},
                                {"seconds", answer.seconds},
                                {"scores", wanted.isEmpty() ? Json::object() : Json{{"exact_match", answer.text.trimmed() == wanted ? 1 : 0}}}});
    }
    document["rows"].push_back(std::move(row));
  }
  return QByteArray::fromStdString(document.dump(2)) + '\n';
}

QByteArray comparison_html(const Workspace& workspace, const Comparison& comparison) {
  QString html = QStringLiteral(
      "<!doctype html><html><head><meta charset='utf-8'><title>%1</title><style>body{font:14px/1.45 system-ui,sans-serif;margin:24px;color:#1b1f24}"
      "table{border-collapse:collapse}td,th{border:1px solid #d9dde3;padding:8px 12px;vertical-align:top;text-align:left;max-width:320px}"
      "img{display:block;min-width:112px;image-rendering:pixelated}mark{background:#f7dfa8;text-decoration:underline}small{color:#5a6370}</style></head><body><h1>%1</h1><table><tr><th>%2</th>")
                     .arg(html_text(QT_TRANSLATE_NOOP("CompareExport", "Comparison")), html_text(QT_TRANSLATE_NOOP("CompareExport", "Sample")));
  for (const auto& column : comparison.columns()) {
    const AttachedAdapter* adapter = adapter_of(workspace, column);
    html += QStringLiteral("<th>%1<br><small>%2</small></th>")
                .arg(adapter ? QString::fromStdString(adapter->name).toHtmlEscaped() : html_text(QT_TRANSLATE_NOOP("CompareExport", "base")),
                     adapter ? bytes_text(static_cast<std::int64_t>(adapter->bytes)) : QString());
  }
  html += QStringLiteral("</tr><tr><th>%1</th>").arg(html_text(QT_TRANSLATE_NOOP("CompareExport", "Exact match")));
  for (std::size_t c = 0; c < comparison.columns().size(); ++c) {
    const auto [right, counted] = comparison.exact_matches(c);
    html += QStringLiteral("<th>%1</th>").arg(counted > 0 ? percent_text(right, counted) : QStringLiteral("–"));
  }
  html += QStringLiteral("</tr>");
  for (std::size_t s = 0; s < comparison.samples().size(); ++s) {
    html += QStringLiteral("<tr><td>%1%2<br><small>%3</small></td>").arg(picture_html(comparison.picture(s)), comparison.question(s).toHtmlEscaped(), comparison.expected(s).toHtmlEscaped());
    const Answer& reference = comparison.columns()[comparison.reference()].answers[s];
    for (std::size_t c = 0; c < comparison.columns().size(); ++c) {
      const Answer& answer = comparison.columns()[c].answers[s];
      const QString facts = answer.final ? QStringLiteral("p %1 · %2 ms").arg(QString::number(answer.confidence(), 'f', 2), QString::number(1000 * answer.seconds, 'f', 0)) : QString();
      html += QStringLiteral("<td>%1<br><small>%2</small></td>").arg(answer_html(answer, c != comparison.reference() && reference.final ? &reference.text : nullptr), facts);
    }
    html += QStringLiteral("</tr>\n");
  }
  return (html + QStringLiteral("</table></body></html>\n")).toUtf8();
}

}  // namespace luthier
