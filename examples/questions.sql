-- Ten questions to the mirror in PostgreSQL (uee sink postgres).

-- 1. Which critical CVEs were published in the last 30 days?
SELECT id, published, score, left(description, 100) AS summary
FROM uee.cve WHERE severity = 'CRITICAL' AND published > now() - interval '30 days' ORDER BY published DESC;

-- 2. Which exploited vulnerabilities are likely to be exploited again, and until when must they be mended?
SELECT k.cve_id, k.vendor, k.product, k.due_date, e.epss
FROM uee.kev k LEFT JOIN uee.epss e USING (cve_id) ORDER BY e.epss DESC NULLS LAST LIMIT 50;

-- 3. Which CVEs name a product?
SELECT DISTINCT cve_id FROM uee.cpe_match WHERE vendor = 'apache' AND product = 'log4j' AND vulnerable ORDER BY 1;

-- 4. Which weaknesses are behind most CVEs of this year?
SELECT c.cwe_id, w.name, count(DISTINCT c.cve_id) AS cves
FROM uee.cve_cwe c JOIN uee.cve v ON v.id = c.cve_id LEFT JOIN uee.cwe w ON w.id = c.cwe_id
WHERE v.published >= date_trunc('year', now()) GROUP BY 1, 2 ORDER BY cves DESC LIMIT 20;

-- 5. What has the mirror changed since yesterday?
SELECT provider, id, last_changed, removed_at FROM uee.record
WHERE last_changed > now() - interval '1 day' OR removed_at > now() - interval '1 day' ORDER BY last_changed DESC;

-- 6. How are scores distributed?
SELECT severity, count(*) AS cves, round(avg(score), 1) AS mean FROM uee.cve GROUP BY 1 ORDER BY 2 DESC;

-- 7. Which vendors have most exploited vulnerabilities?
SELECT vendor, count(*) AS vulnerabilities, count(*) FILTER (WHERE ransomware) AS in_ransomware
FROM uee.kev GROUP BY 1 ORDER BY 2 DESC LIMIT 20;

-- 8. Which references of a CVE are patches?
SELECT url FROM uee.cve_reference WHERE cve_id = 'CVE-2021-44228' AND 'Patch' = ANY (tags);

-- 9. Which CVEs wait for NVD's analysis although EPSS says that they matter?
SELECT v.id, v.status, e.epss FROM uee.cve v JOIN uee.epss e ON e.cve_id = v.id
WHERE v.status IN ('Received', 'Awaiting Analysis', 'Undergoing Analysis') AND e.percentile > 0.9 ORDER BY e.epss DESC;

-- 10. Which techniques of ATT&CK belong to a tactic?
SELECT id, name, is_subtechnique FROM uee.attack_technique
WHERE 'initial-access' = ANY (tactics) AND NOT revoked AND NOT deprecated ORDER BY id;
